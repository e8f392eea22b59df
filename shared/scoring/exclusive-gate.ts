const EXCLUSIVE = 0;
const ACTIVE = 1;
const WORDS = 2;

/**
 * Lets one worker thread measure latency while the others hold still: scoring enters and leaves batch by batch, and
 * `exclusively` waits until nobody is inside and keeps everybody out. Threads share it as the buffer behind it.
 */
export class ExclusiveGate {
  readonly #words: Int32Array;

  constructor(readonly buffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.#words = new Int32Array(buffer);
  }

  /** Runs one piece of work that others may work beside. Blocks the thread while somebody measures. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    this.#enter();
    try {
      return await work();
    } finally {
      Atomics.sub(this.#words, ACTIVE, 1);
      Atomics.notify(this.#words, ACTIVE);
    }
  }

  /** Runs work that nobody may work beside. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    while (Atomics.compareExchange(this.#words, EXCLUSIVE, 0, 1) !== 0) {
      Atomics.wait(this.#words, EXCLUSIVE, 1);
    }
    try {
      for (let active = Atomics.load(this.#words, ACTIVE); active > 0; ) {
        Atomics.wait(this.#words, ACTIVE, active);
        active = Atomics.load(this.#words, ACTIVE);
      }
      return await work();
    } finally {
      Atomics.store(this.#words, EXCLUSIVE, 0);
      Atomics.notify(this.#words, EXCLUSIVE);
    }
  }

  #enter(): void {
    for (;;) {
      Atomics.wait(this.#words, EXCLUSIVE, 1);
      Atomics.add(this.#words, ACTIVE, 1);
      // Whoever closed the gate in between counts on everybody inside having been seen.
      if (Atomics.load(this.#words, EXCLUSIVE) === 0) return;
      Atomics.sub(this.#words, ACTIVE, 1);
      Atomics.notify(this.#words, ACTIVE);
    }
  }
}
