import * as z from "zod";
import { runIdSchema, timestampSchema } from "../shared/basics/identifiers.js";
import type { Queue } from "../shared/queues/queue.js";
import { MESSAGE_VERSION } from "../shared/run/protocol/messages.js";

/** Has an evaluator start and, where a run is named, get ready for its trials. Nobody answers it, and nothing depends on its being heard. */
export const warmUpSchema = z.strictObject({
  version: z.literal(MESSAGE_VERSION),
  type: z.literal("warm-up"),
  /** Left out while what the run works on is not there yet. */
  runId: runIdSchema.optional(),
  /** After this it is passed over. */
  deadline: timestampSchema,
});
export type WarmUp = Readonly<z.infer<typeof warmUpSchema>>;

/** The event source starts more environments than these while the first trials are scored. */
const MOST_WARM_UPS = 100;
/** By then trials wait in the queue, which start environments as well. */
const DEADLINE_MILLISECONDS = 60_000;

/**
 * Has evaluators start and, where a run is named, fetch and open what it works on, while it is still uploaded or its
 * statistics are gathered. As many as trials run side by side are asked; those that find a warm evaluator take no time.
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
