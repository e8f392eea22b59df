import { parentPort, workerData } from "node:worker_threads";
import type { Job, JobReport } from "../run/messages.js";
import { ExclusiveGate } from "./exclusive-gate.js";

/** What the pool gives each of its threads, beside what the threads' own module wants. */
export interface ThreadSettings {
  readonly name: string;
  /** What threads share so that one measures latency while the others hold still, and this thread's slot in it. */
  readonly gate: { readonly buffer: SharedArrayBuffer; readonly slot: number };
  /** Holds the number of the latest job that is not wanted any more. */
  readonly cancelled: SharedArrayBuffer;
}

interface JobMessage {
  readonly number: number;
  readonly job: Job;
}

export type ReportMessage =
  | { readonly number: number; readonly report: JobReport }
  | { readonly number: number; readonly error: string };

export function openGate({ gate }: ThreadSettings): ExclusiveGate {
  return new ExclusiveGate(gate.buffer, gate.slot);
}

/** Carries out one job; only an abort, or what no report can tell of, throws. */
type CarryOut = (job: Job, signal: AbortSignal) => Promise<JobReport>;

/**
 * Makes this worker thread carry out the jobs that its pool posts; elsewhere it does nothing.
 *
 * @param open reads what jobs have in common, once
 */
export function serveJobs<Settings extends ThreadSettings>(
  open: (settings: Settings) => Promise<CarryOut>,
): void {
  if (parentPort === null) return;
  const port = parentPort;
  const settings = workerData as Settings;
  const cancelled = new Int32Array(settings.cancelled);
  const opened = open(settings);
  port.on("message", async ({ number, job }: JobMessage) => {
    let answer: ReportMessage;
    try {
      const carryOut = await opened;
      answer = { number, report: await carryOut(job, cancellation(cancelled, number)) };
    } catch (error) {
      answer = { number, error: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer);
  });
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
