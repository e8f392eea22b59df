import { type Clock, systemClock } from "../shared/queues/clock.js";
import type { Queue } from "../shared/queues/queue.js";

/** Extensions within a lease, so that one that fails is not the end. */
const EXTENSIONS = 3;

export interface HoldOptions {
  readonly jobs: Queue;
  readonly receipt: string;
  readonly leaseMilliseconds: number;
  /** How long there is for the job. */
  readonly atMostMilliseconds: number;
  readonly now: () => number;
  /** Lets time pass; that of this machine when left out. */
  readonly sleep?: Clock["sleep"] | undefined;
  /** Extends the claim; whether the job is still this worker's. */
  readonly extend: (until: number) => Promise<boolean>;
}

export interface Hold {
  /** Given when the job is not this worker's any more. */
  readonly signal: AbortSignal;
  /** Why it is not: the time is up, or another worker has it. */
  readonly ended: Promise<"handed back" | "lost">;
  release(): Promise<void>;
}

/** Keeps a job's message hidden and its claim held, both together, for as long as somebody works on it. */
export function holdJob(options: HoldOptions): Hold {
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
  const prolong = async (): Promise<void> => {
    const until = now() + leaseMilliseconds;
    try {
      if (!(await extend(until))) return end("lost");
      await jobs.changeVisibility(receipt, leaseMilliseconds);
      heldUntil = until;
    } catch {
      // The store or the queue did not answer: the lease still holds for a while, and the next attempt may be heard.
      if (now() >= heldUntil) end("lost");
    }
  };
  const beat = async (): Promise<void> => {
    for (;;) {
      await sleep(leaseMilliseconds / EXTENSIONS, released.signal);
      if (released.signal.aborted || over.signal.aborted) return;
      last = last.then(() => (released.signal.aborted || over.signal.aborted ? undefined : prolong()));
    }
  };
  void beat();
  void sleep(Math.max(0, atMostMilliseconds), released.signal).then(() => {
    if (!released.signal.aborted) end("handed back");
  });
  // Until the first extension the message is hidden for as long as the queue says, which is for its longest jobs.
  last = jobs.changeVisibility(receipt, leaseMilliseconds).catch(() => undefined);
  return {
    signal: over.signal,
    ended,
    async release() {
      // With a reason of its own, as the default one, an exception with its stack, is made for every job.
      released.abort("released");
      await last;
    },
  };
}
