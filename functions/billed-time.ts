import type { Billed } from "../shared/run/protocol/messages.js";

export interface BilledTimeOptions {
  /** Memory of the function. */
  readonly megabytes: number;
  readonly architecture: Billed["architecture"];
  readonly now: () => number;
  /** What passed before the first invocation: Lambda bills the start of an environment, too. */
  readonly initMilliseconds: number;
}

/**
 * The time of this execution environment that Lambda bills for and that no run was charged yet. A report is sent
 * before its invocation ends, so what comes after it, like work that led to no report, goes on the next one's bill.
 */
export class BilledTime {
  #uncharged: number;
  #since: number | undefined;

  constructor(private readonly options: BilledTimeOptions) {
    this.#uncharged = options.initMilliseconds;
  }

  /** Runs an invocation on the clock. */
  async during<Result>(invocation: () => Promise<Result>): Promise<Result> {
    this.#since = this.options.now();
    try {
      return await invocation();
    } finally {
      this.#take();
      this.#since = undefined;
    }
  }

  /** What is to be charged now; nothing of it is charged again. */
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
