/**
 * A value that changes, as an iteration: each consumer gets the latest value; values that arrive while it is busy
 * replace each other.
 */
export class LatestValue<Value> implements AsyncIterable<Value> {
  #latest: { readonly value: Value; readonly version: number } | undefined;
  #closed = false;
  #waiting: (() => void)[] = [];

  set(value: Value): void {
    this.#latest = { value, version: (this.#latest?.version ?? 0) + 1 };
    this.#wake();
  }

  /** Ends every iteration after its consumer has seen the last value. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Value> {
    let seen = 0;
    for (;;) {
      if (this.#latest !== undefined && this.#latest.version > seen) {
        seen = this.#latest.version;
        yield this.#latest.value;
      } else if (this.#closed) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
