import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Failure, failureOf } from "../../run/protocol/failed-outcome.js";
import type { Job, JobReport } from "../../run/protocol/messages.js";
import { ExclusiveGate } from "../../runtime/exclusive-gate.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { PortObjectStore } from "../../storage/port-store.js";

/** What the pool starts each of its threads with. */
export interface ThreadSettings {
  readonly name: string;
  /** What threads share so that one measures latency while the others hold still, and this thread's slot in it. */
  readonly gate: { readonly buffer: SharedArrayBuffer; readonly slot: number };
  /** Holds the number of the latest job that is not wanted any more. */
  readonly cancelled: SharedArrayBuffer;
  /** Where the pool serves the store that it was given, if it was given one. */
  readonly store: MessagePort;
}

/** What the pool tells a thread: first, and once, what its jobs have in common. */
export type ThreadMessage<Settings> =
  | { readonly settings: Settings }
  | { readonly close: true }
  | { readonly number: number; readonly job: Job };

export type ReportMessage =
  /** The thread's module is there. */
  | { readonly loaded: true }
  /** The thread has settings and is ready for a first job, or it will answer that one with what went wrong. */
  | { readonly prepared: true }
  | { readonly number: number; readonly report: JobReport }
  | { readonly number: number; readonly failure: Failure };

export function openGate({ gate }: Pick<ThreadSettings, "gate">): ExclusiveGate {
  return new ExclusiveGate(gate.buffer, gate.slot);
}

/** The store that the pool was given. */
export function openThreadStore({ store }: Pick<ThreadSettings, "store">): ObjectStore {
  return new PortObjectStore(store);
}

/** A thread that knows what its jobs have in common. */
export interface OpenedThread {
  /** Carries out one job; only an abort, or what no report can tell of, throws. */
  readonly carryOut: (job: Job, signal: AbortSignal) => Promise<JobReport>;
}

/**
 * Makes this worker thread carry out the jobs that its pool posts; elsewhere it does nothing.
 *
 * @param open reads what jobs have in common, once
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
  const tellPrepared = (): void => port.postMessage({ prepared: true } satisfies ReportMessage);
  port.on("message", async (message: ThreadMessage<Settings>) => {
    if ("close" in message) {
      await Promise.allSettled([working, opened]);
      process.exit();
    }
    if ("settings" in message) {
      opened = open({ ...message.settings, ...thread });
      // The first job is answered with what went wrong.
      opened.then(tellPrepared, tellPrepared);
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
