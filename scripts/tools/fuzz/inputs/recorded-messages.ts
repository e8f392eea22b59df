import { InProcessQueue } from "../../../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../../../shared/run/coordinator.js";
import {
  type Job,
  jobSchema,
  MESSAGE_VERSION,
  type RunEvent,
} from "../../../../shared/run/protocol/messages.js";
import { storeScores } from "../../../../shared/run/records/run-records.js";
import { type ScheduledRun, scheduledRunKey } from "../../../../shared/run/store/scheduled-run.js";
import { writeWorkloadDocument } from "../../../../shared/run/store/workload-document.js";
import { MemoryObjectStore } from "../../../../shared/storage/memory-store.js";
import { answerToyJob } from "../../../../test/run/toy-model.js";
import { toyRequest, toyStudy } from "../../../../test/run/toy-study.js";

/** Snapshot of a run on the fleet: the objects in its store and the messages that its queues deliver. */
export interface Moment {
  readonly stored: ReadonlyMap<string, Uint8Array>;
  readonly jobs: readonly Job[];
  readonly events: readonly object[];
}

export const RUN = "toy";
export const SCHEDULE = "nightly";
export const FUZZ_REQUEST = toyRequest({ runId: RUN, maxTrials: 5, parallel: 2 });
const WORKER = { worker: "w", isa: "isa-a" };

const WORKLOAD = {
  version: 1,
  configuration: {},
  configurationHash: "0".repeat(64),
  files: [{ path: "model/m.onnx", key: "models/0", bytes: 1, sha256: "0".repeat(64) }],
  outputs: [],
} as const;

/** Snapshots of a run of the toy study, from before its request to its end. */
export async function recordMessages(): Promise<readonly Moment[]> {
  const store = new MemoryObjectStore();
  const queue = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 1e9 });
  const coordinator = new Coordinator({ store, jobs: queue, study: toyStudy });
  await writeWorkloadDocument(store, RUN, WORKLOAD as never);
  const scheduled: ScheduledRun & { version: 1 } = {
    version: 1,
    request: FUZZ_REQUEST,
    workload: WORKLOAD as never,
  };
  await store.put(scheduledRunKey(SCHEDULE), Buffer.from(JSON.stringify(scheduled)));
  const base = { version: MESSAGE_VERSION, runId: RUN } as const;
  let at = 1;
  let next: RunEvent = { ...base, type: "RunRequested", at, request: FUZZ_REQUEST };
  const open: Job[] = [];
  const moments: Moment[] = [];
  for (;;) {
    const others = [
      { ...base, type: "Tick", at },
      { ...base, type: "CancelRequested", at },
      { ...base, type: "RunResumed", at, limits: { maxTrials: 9, maxMinutes: 0 } },
      { ...base, type: "RunAnnounced", at, parallel: 2 },
      {
        version: MESSAGE_VERSION,
        type: "RunScheduled",
        schedule: SCHEDULE,
        scheduledTime: "2026-01-01T00:00:00Z",
      },
    ];
    moments.push({ stored: await copyOf(store), jobs: [...open], events: [next, ...others] });
    await coordinator.handle(RUN, [next]);
    for (;;) {
      const [message] = await queue.receive({ max: 1, waitMilliseconds: 0 });
      if (message === undefined) break;
      open.push(jobSchema.parse(JSON.parse(message.body)));
      await queue.acknowledge(message.receipt);
    }
    const job = open.shift();
    if (job === undefined) return moments;
    const report = answerToyJob(FUZZ_REQUEST, job, { ...WORKER, at: ++at });
    if (report.type === "TrialReported") await storeScores(store, report);
    next = report;
  }
}

async function copyOf(store: MemoryObjectStore): Promise<ReadonlyMap<string, Uint8Array>> {
  const stored = new Map<string, Uint8Array>();
  for await (const key of store.list("")) stored.set(key, (await store.get(key))!.body);
  return stored;
}
