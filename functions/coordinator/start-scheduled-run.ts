import type { Queue } from "../../shared/queues/queue.js";
import { MESSAGE_VERSION } from "../../shared/run/protocol/messages.js";
import { type RunScheduled, readScheduledRun, scheduledRunId } from "../../shared/run/store/scheduled-run.js";
import { writeWorkloadDocument } from "../../shared/run/store/workload-document.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";

/**
 * Requests the run that a schedule says is due, as the command `submit` does. Requesting the same run twice
 * is harmless.
 *
 * @returns the run's id; `undefined` if there is no such schedule
 */
export async function startScheduledRun(
  { store, events, now }: { readonly store: ObjectStore; readonly events: Queue; readonly now: () => number },
  due: RunScheduled,
): Promise<string | undefined> {
  const scheduled = await readScheduledRun(store, due.schedule);
  if (scheduled === undefined) return undefined;
  const runId = scheduledRunId(due);
  const at = now();
  await writeWorkloadDocument(store, runId, scheduled.workload);
  const request = { ...scheduled.request, runId, requestedAt: at };
  const event = { version: MESSAGE_VERSION, type: "RunRequested", runId, at, request };
  await events.send([{ body: JSON.stringify(event), group: runId, deduplication: `request/${runId}` }]);
  return runId;
}
