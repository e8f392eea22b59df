import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Failure, failureOf } from "../../run/protocol/failed-outcome.js";
import type { Job, JobReport } from "../../run/protocol/messages.js";
import { ExclusiveGate } from "../../runtime/exclusive-gate.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { PortObjectStore } from "../../storage/port-store.js";

/** Settings that each worker thread of a pool is started with. */
export interface ThreadSettings {
  readonly name: string;
  /**
   * Memory that the threads share as a lock, so that only one measures latency at a time, and this thread's
   * slot in it.
   */
  readonly gate: { readonly buffer: SharedArrayBuffer; readonly slot: number };
  /**
   * Shared memory that holds the number of the latest cancelled job; it and all earlier jobs of the thread
   * are cancelled.
   */
  readonly cancelled: SharedArrayBuffer;
  /** Port through which the thread uses the pool's object store, if the pool has one. */
  readonly store: MessagePort;
}

/** A message from the pool to a thread: the settings that all jobs share come first, and once. */
export type ThreadMessage<Settings> =
  | { readonly settings: Settings }
  | { readonly close: true }
  | { readonly number: number; readonly job: Job };

export type ReportMessage =
  /** The thread has loaded its module. */
  | { readonly loaded: true }
  /**
   * The thread has opened its settings and is ready for a first job; if opening failed, the answer to that
   * job says so.
   */
  | { readonly prepared: true }
  | { readonly number: number; readonly report: JobReport }
  | { readonly number: number; readonly failure: Failure };

export function openGate({ gate }: Pick<ThreadSettings, "gate">): ExclusiveGate {
  return new ExclusiveGate(gate.buffer, gate.slot);
}

/** The object store of the thread's pool, used through a message port. */
export function openThreadStore({ store }: Pick<ThreadSettings, "store">): ObjectStore {
  return new PortObjectStore(store);
}

/** A thread that has been opened with the settings of its jobs. */
export interface OpenedThread {
  /** Carries out one job; throws only on an abort, or where no report can be made. */
  readonly carryOut: (job: Job, signal: AbortSignal) => Promise<JobReport>;
}

/**
 * Makes this worker thread carry out the jobs that its pool posts; does nothing on the main thread.
 *
 * @param open called once with the settings that all jobs share
 */
export function serveJobs<Settings extends object>(
  open: (settings: Settings & ThreadSettings) => Promise<OpenedThread>,
): void {
  if (parentPort === null) return;
  const port = parentPort;
  const thread = workerData as ThreadSettings;
  const cancelled = new Int32Array(thread.cancelled);
  port.postMessage({ loaded: true } satisfies ReportMessage);
  let opened: Promise<OpenedThread> | undefined;
  let working: Promise<void> = Promise.resolve();
  const postPrepared = (): void => port.postMessage({ prepared: true } satisfies ReportMessage);
  port.on("message", async (message: ThreadMessage<Settings>) => {
    if ("close" in message) {
      await Promise.allSettled([working, opened]);
      process.exit();
    }
    if ("settings" in message) {
      opened = open({ ...message.settings, ...thread });
      // Where opening failed, the first job's answer says so.
      opened.then(postPrepared, postPrepared);
      return;
    }
    working = answer(message.number, message.job);
  });

  async function answer(number: number, job: Job): Promise<void> {
    let report: ReportMessage;
    try {
      if (opened === undefined) throw new Error("The thread was handed a job before its settings.");
      const { carryOut } = await opened;
      report = { number, report: await carryOut(job, cancellation(cancelled, number)) };
    } catch (error) {
      report = { number, failure: failureOf(error) };
    }
    port.postMessage(report);
  }
}

/** An abort signal that reads shared memory when asked, as ONNX Runtime blocks the thread's event loop. */
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
