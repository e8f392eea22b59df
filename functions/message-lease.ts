import { safeguard } from "../shared/basics/safeguard.js";
import { type Clock, systemClock } from "../shared/queues/clock.js";
import type { Queue } from "../shared/queues/queue.js";

/**
 * How often a lease is extended within its duration, so that a single failed extension does not lose the job.
 */
const EXTENSIONS = 3;

export interface MessageLeaseOptions {
  readonly jobs: Queue;
  readonly receipt: string;
  readonly leaseMilliseconds: number;
  /** Milliseconds available for the job; after them it is returned to the queue. */
  readonly atMostMilliseconds: number;
  readonly now: () => number;
  /** Waits for some milliseconds; the system clock's `sleep` when absent. */
  readonly sleep?: Clock["sleep"] | undefined;
  /**
   * Extends the claim (the stored object that reserves the job for a worker); returns whether it is still
   * held.
   */
  readonly extend: (until: number) => Promise<boolean>;
}

export interface MessageLease {
  /** Aborted when this worker must stop: its time is used up, or another worker has the job. */
  readonly signal: AbortSignal;
  /**
   * Resolves when this worker must stop, with the reason: `handed back` when its time is used up, `lost` when
   * another worker has the job.
   */
  readonly ended: Promise<"handed back" | "lost">;
  release(): Promise<void>;
}

/**
 * Keeps a job's message hidden in the queue and its claim (the reservation of the job in the store) extended,
 * both together, until `release` is called or the lease ends.
 */
export function openMessageLease(options: MessageLeaseOptions): MessageLease {
  const { jobs, receipt, leaseMilliseconds, atMostMilliseconds, now, extend } = options;
  const { sleep = systemClock.sleep } = options;
  const released = new AbortController();
  const over = new AbortController();
  let last: Promise<void> = Promise.resolve();
  let end: (reason: "handed back" | "lost") => void = () => undefined;
  const ended = new Promise<"handed back" | "lost">((resolve) => {
    end = (reason) => {
      over.abort(new DOMException(`The job is ${reason}.`, "AbortError"));
      resolve(reason);
    };
  });
  let heldUntil = now() + leaseMilliseconds;
  const extendBoth = async (): Promise<void> => {
    const until = now() + leaseMilliseconds;
    try {
      if (!(await extend(until)) && safeguard("workers-stop-without-lease")) return end("lost");
      await jobs.changeVisibility(receipt, leaseMilliseconds);
      heldUntil = until;
    } catch {
      // The store or the queue did not answer: the lease remains valid until `heldUntil`, and the next
      // extension may succeed.
      if (now() >= heldUntil) end("lost");
    }
  };
  const keepExtending = async (): Promise<void> => {
    for (;;) {
      await sleep(leaseMilliseconds / EXTENSIONS, released.signal);
      if (released.signal.aborted || over.signal.aborted) return;
      last = last.then(() => (released.signal.aborted || over.signal.aborted ? undefined : extendBoth()));
    }
  };
  void keepExtending();
  void sleep(Math.max(0, atMostMilliseconds), released.signal).then(() => {
    if (!released.signal.aborted) end("handed back");
  });
  // At first a delivered message is hidden for the queue's visibility timeout, which is long enough for the
  // longest jobs; now it is hidden for the lease only.
  last = jobs.changeVisibility(receipt, leaseMilliseconds).catch(() => undefined);
  return {
    signal: over.signal,
    ended,
    async release() {
      // An explicit reason for the abort: the default one, an exception with a stack trace, would be created
      // for every job.
      released.abort("released");
      await last;
    },
  };
}
