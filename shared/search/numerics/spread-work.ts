/** Work that yields how many operations it has just done, and in the end gives its result. */
export type Work<Result> = Generator<number, Result, void>;

/** Does work to its end, at once. */
export function complete<Result>(work: Work<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/** Work that is done a share at a time, so that no single call waits for all of it. Its result is the same. */
export class SpreadWork<Result> {
  readonly #work: Work<Result>;
  #result: { readonly value: Result } | undefined;

  constructor(work: Work<Result>) {
    this.#work = work;
  }

  /** What it came to; `undefined` while there is something left to do. */
  get result(): Result | undefined {
    return this.#result?.value;
  }

  /** Does a share of about so many operations. */
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

  finish(): Result {
    this.#result ??= { value: complete(this.#work) };
    return this.#result.value;
  }
}
