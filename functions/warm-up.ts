import * as z from "zod";
import { runIdSchema, timestampSchema } from "../shared/basics/identifiers.js";
import type { Queue } from "../shared/queues/queue.js";
import { MESSAGE_VERSION } from "../shared/run/protocol/messages.js";

/**
 * Message that makes an evaluator start and, if a run is named, prepare for its trials. It is only an
 * optimization: it has no answer, and losing it is harmless.
 */
export const warmUpSchema = z.strictObject({
  version: z.literal(MESSAGE_VERSION),
  type: z.literal("warm-up"),
  /** The run to prepare for; absent while its model and data are not uploaded yet. */
  runId: runIdSchema.optional(),
  /** Time in milliseconds since the epoch after which the message is ignored. */
  deadline: timestampSchema,
});
export type WarmUp = Readonly<z.infer<typeof warmUpSchema>>;

/**
 * Maximum number of warm-up messages per run; Lambda's event source starts further environments while the
 * first trials are scored.
 */
const MOST_WARM_UPS = 100;
/**
 * Milliseconds after which a warm-up message expires: by then trials in the queue start environments
 * themselves.
 */
const DEADLINE_MILLISECONDS = 60_000;

/**
 * Makes evaluators start and, if a run is named, fetch and open its model and data, while the data are still
 * being uploaded or the statistics are gathered. Sends one message per trial that may run at once; an
 * evaluator that is already prepared handles it in no time.
 */
export async function sendWarmUps(
  jobs: Queue,
  { runId, parallel }: { readonly runId?: string; readonly parallel: number },
  at: number,
): Promise<void> {
  const warmUp: WarmUp = {
    version: MESSAGE_VERSION,
    type: "warm-up",
    ...(runId === undefined ? {} : { runId }),
    deadline: at + DEADLINE_MILLISECONDS,
  };
  const body = JSON.stringify(warmUp);
  await jobs.send(Array.from({ length: Math.min(parallel, MOST_WARM_UPS) }, () => ({ body })));
}
