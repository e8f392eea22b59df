import * as z from "zod";
import { runIdSchema, timestampSchema } from "../../basics/identifiers.js";
import type { Queue } from "../../queues/queue.js";
import { MESSAGE_VERSION } from "./messages.js";
import { MAX_PARALLEL_TRIALS, type RunRequest } from "./request.js";

/**
 * Message that announces a run before it is requested, so that the fleet's functions start while model and
 * data are still being uploaded. It is only an optimization: nothing answers it, and losing it is harmless.
 */
export const runAnnouncedSchema = z.strictObject({
  version: z.literal(MESSAGE_VERSION),
  type: z.literal("RunAnnounced"),
  runId: runIdSchema,
  at: timestampSchema,
  /** Maximum number of trials running at once. */
  parallel: z.int().min(1).max(MAX_PARALLEL_TRIALS),
});
export type RunAnnounced = Readonly<z.infer<typeof runAnnouncedSchema>>;

/**
 * Announces a run in the message group of the run, so that the queue delivers the announcement before the
 * run's request.
 */
export async function announceRun(
  events: Queue,
  { runId, requestedAt: at, parallel }: Pick<RunRequest, "runId" | "requestedAt" | "parallel">,
): Promise<void> {
  const message: RunAnnounced = { version: MESSAGE_VERSION, type: "RunAnnounced", runId, at, parallel };
  await events.send([{ body: JSON.stringify(message), group: runId, deduplication: `announce/${runId}` }]);
}
