import type { Billed } from "../shared/run/protocol/messages.js";

export interface BilledTimeOptions {
  /** Memory of the function in megabytes. */
  readonly megabytes: number;
  readonly architecture: Billed["architecture"];
  readonly now: () => number;
  /**
   * Milliseconds that this execution environment took to start before its first invocation; Lambda bills them
   * too.
   */
  readonly initMilliseconds: number;
}

/**
 * Milliseconds billed to this Lambda execution environment that no run has been charged for yet. A worker
 * sends its report before its invocation ends, so time after the report, and the time of invocations without
 * a report, is charged with the next report.
 */
export class BilledTime {
  #uncharged: number;
  #since: number | undefined;

  constructor(private readonly options: BilledTimeOptions) {
    this.#uncharged = options.initMilliseconds;
  }

  /** Runs one invocation of the function and adds its duration to the time not yet charged. */
  async during<Result>(invocation: () => Promise<Result>): Promise<Result> {
    this.#since = this.options.now();
    try {
      return await invocation();
    } finally {
      this.#take();
      this.#since = undefined;
    }
  }

  /** Returns the time that no run has been charged for, and resets it to zero, so that it is charged once. */
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
