import { parentPort, workerData } from "node:worker_threads";
import type { ConfigurationFor } from "../run/configuration/supported.js";
import type { Job, JobReport } from "../run/messages.js";
import { FileObjectStore } from "../storage/file-store.js";
import { Evaluator } from "./evaluator.js";
import { ExclusiveGate } from "./exclusive-gate.js";
import { type JobContext, runJob } from "./run-job.js";
import { loadWorkload } from "./workload.js";

/** What a worker thread is started with. */
export interface ThreadSettings {
  readonly name: string;
  readonly configuration: ConfigurationFor<"tune">;
  readonly directory: string;
  /** Folders of the run's records and of the statistics. */
  readonly records: string;
  readonly statistics: { readonly folder: string; readonly shards: number };
  readonly properties: Readonly<Record<string, string>>;
  /** What threads share so that one measures latency while the others hold still, and this thread's slot in it. */
  readonly gate: { readonly buffer: SharedArrayBuffer; readonly slot: number };
  /** Holds the number of the latest job that is not wanted any more. */
  readonly cancelled: SharedArrayBuffer;
}

export interface JobMessage {
  readonly number: number;
  readonly job: Job;
}

export type ReportMessage =
  | { readonly number: number; readonly report: JobReport }
  | { readonly number: number; readonly error: string };

async function openContext(settings: ThreadSettings): Promise<JobContext> {
  const store = await FileObjectStore.open(settings.records);
  const statistics = {
    store: await FileObjectStore.open(settings.statistics.folder),
    shards: settings.statistics.shards,
  };
  const openStatistics = async () => statistics.store;
  const workload = await loadWorkload(settings.configuration, settings.directory, openStatistics);
  const gate = new ExclusiveGate(settings.gate.buffer, settings.gate.slot);
  return {
    workload,
    store,
    evaluator: new Evaluator({ workload, store, statistics, gate }),
    worker: settings.name,
    properties: settings.properties,
    now: Date.now,
  };
}

/** An abort signal for a thread whose event loop stands still while ONNX Runtime works: it looks when it is asked. */
function cancellation(cancelled: Int32Array, number: number): AbortSignal {
  const { signal } = new AbortController();
  const isCancelled = (): boolean => Atomics.load(cancelled, 0) >= number;
  return Object.defineProperties(signal, {
    aborted: { get: isCancelled },
    throwIfAborted: {
      value: (): void => {
        if (isCancelled()) throw new DOMException("The job is not wanted any more.", "AbortError");
      },
    },
  });
}

if (parentPort !== null) {
  const port = parentPort;
  const settings = workerData as ThreadSettings;
  const cancelled = new Int32Array(settings.cancelled);
  const context = openContext(settings);
  port.on("message", async ({ number, job }: JobMessage) => {
    let answer: ReportMessage;
    try {
      answer = { number, report: await runJob(job, await context, cancellation(cancelled, number)) };
    } catch (error) {
      answer = { number, error: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer);
  });
}
