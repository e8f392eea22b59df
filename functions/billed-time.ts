import type { Billed } from "../shared/run/protocol/messages.js";

export interface BilledTimeOptions {
  /** Memory of the function in megabytes. */
  readonly megabytes: number;
  readonly architecture: Billed["architecture"];
  readonly now: () => number;
  /** Time before the first invocation, because Lambda also bills the start of an environment. */
  readonly initMilliseconds: number;
}

/**
 * Billed time of this execution environment that no run has been charged for. A report is sent before its
 * invocation ends, so the time after it, and time that led to no report, is charged with the next report.
 */
export class BilledTime {
  #uncharged: number;
  #since: number | undefined;

  constructor(private readonly options: BilledTimeOptions) {
    this.#uncharged = options.initMilliseconds;
  }

  /** Runs an invocation and counts its time. */
  async during<Result>(invocation: () => Promise<Result>): Promise<Result> {
    this.#since = this.options.now();
    try {
      return await invocation();
    } finally {
      this.#take();
      this.#since = undefined;
    }
  }

  /** The time to charge now; it is not charged again. */
  charge(): Billed {
    this.#take();
    const { megabytes, architecture } = this.options;
    const milliseconds = this.#uncharged;
    this.#uncharged = 0;
    return { milliseconds, megabytes, architecture };
  }

  #take(): void {
    if (this.#since === undefined) return;
    const now = this.options.now();
    this.#uncharged += Math.max(0, now - this.#since);
    this.#since = now;
  }
}
