import * as z from "zod";
import type { Queue } from "../shared/queues/queue.js";
import { runIdSchema, timestampSchema } from "../shared/run/identifiers.js";
import { MESSAGE_VERSION } from "../shared/run/messages.js";
import type { RunRequest } from "../shared/run/request.js";

/** Has an evaluator get ready for a run's trials. Nobody answers it, and nothing depends on its being heard. */
export const warmUpSchema = z.strictObject({
  version: z.literal(MESSAGE_VERSION),
  type: z.literal("warm-up"),
  runId: runIdSchema,
  /** After this it is passed over. */
  deadline: timestampSchema,
});
export type WarmUp = Readonly<z.infer<typeof warmUpSchema>>;

/** The event source starts more environments than these while the first trials are scored. */
const MOST_WARM_UPS = 100;
/** By then trials wait in the queue, which start environments as well. */
const DEADLINE_MILLISECONDS = 60_000;

/**
 * Has evaluators start, and fetch and open what the run works on, while its statistics are still gathered. As many as
 * trials run side by side are asked; those that find a warm evaluator take no time.
 */
export async function sendWarmUps(jobs: Queue, { runId, parallel }: RunRequest, at: number): Promise<void> {
  const warmUp: WarmUp = {
    version: MESSAGE_VERSION,
    type: "warm-up",
    runId,
    deadline: at + DEADLINE_MILLISECONDS,
  };
  const body = JSON.stringify(warmUp);
  await jobs.send(Array.from({ length: Math.min(parallel, MOST_WARM_UPS) }, () => ({ body })));
}
