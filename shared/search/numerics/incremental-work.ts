/** A computation that yields how many operations it has done since the last yield and returns its result. */
export type Work<Result> = Generator<number, Result, void>;

/** Runs a computation to its end and returns its result. */
export function complete<Result>(work: Work<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Runs a computation in slices, so that no single call waits for all of it. The result is the same as of one
 * run.
 */
export class IncrementalWork<Result> {
  readonly #work: Work<Result>;
  #result: { readonly value: Result } | undefined;

  constructor(work: Work<Result>) {
    this.#work = work;
  }

  /** The result; `undefined` until the computation has ended. */
  get result(): Result | undefined {
    return this.#result?.value;
  }

  /** Runs for about this many operations, or to the end. */
  advance(operations: number): void {
    for (let done = 0; this.#result === undefined && done < operations; ) {
      const step = this.#work.next();
      if (step.done === true) {
        this.#result = { value: step.value };
      } else {
        done += step.value;
      }
    }
  }

  /** Runs the rest and returns the result. */
  finish(): Result {
    this.#result ??= { value: complete(this.#work) };
    return this.#result.value;
  }
}
