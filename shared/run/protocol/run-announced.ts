import * as z from "zod";
import { runIdSchema, timestampSchema } from "../../basics/identifiers.js";
import type { Queue } from "../../queues/queue.js";
import { MESSAGE_VERSION } from "./messages.js";
import { MOST_SIDE_BY_SIDE, type RunRequest } from "./request.js";

/**
 * Tells a fleet that a run will be asked for, so that its functions start while what it works on is uploaded. Nobody
 * answers it, and nothing depends on its being heard.
 */
export const runAnnouncedSchema = z.strictObject({
  version: z.literal(MESSAGE_VERSION),
  type: z.literal("RunAnnounced"),
  runId: runIdSchema,
  at: timestampSchema,
  /** Trials side by side. */
  parallel: z.int().min(1).max(MOST_SIDE_BY_SIDE),
});
export type RunAnnounced = Readonly<z.infer<typeof runAnnouncedSchema>>;

/** Announces a run in its own group, so that one coordinator hears of it before it is asked for. */
export async function announceRun(
  events: Queue,
  { runId, requestedAt: at, parallel }: Pick<RunRequest, "runId" | "requestedAt" | "parallel">,
): Promise<void> {
  const message: RunAnnounced = { version: MESSAGE_VERSION, type: "RunAnnounced", runId, at, parallel };
  await events.send([{ body: JSON.stringify(message), group: runId, deduplication: `announce/${runId}` }]);
}
