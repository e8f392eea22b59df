/** Nobody, or the slot of the thread that measures, plus one. */
const HOLDER = 0;
/** Then a word for each thread: how often it is inside. */
const FIRST_SLOT = 1;

/**
 * Lets one worker thread measure latency while the others hold still: scoring enters and leaves batch by batch, and
 * `exclusively` waits until nobody is inside and keeps everybody out. Threads share the buffer behind it, each with a
 * slot of its own, so that one that dies inside can be taken out.
 */
export class ExclusiveGate {
  readonly #words: Int32Array;

  /** @param slot of the thread that this gate is used on; no other thread uses it */
  constructor(
    buffer: SharedArrayBuffer,
    private readonly slot: number,
  ) {
    this.#words = new Int32Array(buffer);
  }

  /** What threads share: they have slots 0 to `slots` - 1. */
  static buffer(slots: number): SharedArrayBuffer {
    return new SharedArrayBuffer((FIRST_SLOT + slots) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** Takes a thread out that has died, wherever it stood; called on another thread. */
  static abandon(buffer: SharedArrayBuffer, slot: number): void {
    const words = new Int32Array(buffer);
    Atomics.store(words, FIRST_SLOT + slot, 0);
    Atomics.notify(words, FIRST_SLOT + slot);
    Atomics.compareExchange(words, HOLDER, slot + 1, 0);
    Atomics.notify(words, HOLDER);
  }

  /** Runs one piece of work that others may work beside. Blocks the thread while somebody measures. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Runs work that nobody may work beside. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const holder = Atomics.compareExchange(this.#words, HOLDER, 0, this.slot + 1);
      if (holder === 0) break;
      Atomics.wait(this.#words, HOLDER, holder);
    }
    try {
      for (let word = FIRST_SLOT; word < this.#words.length; word++) this.#waitUntilLeft(word);
      return await work();
    } finally {
      Atomics.store(this.#words, HOLDER, 0);
      Atomics.notify(this.#words, HOLDER);
    }
  }

  #waitUntilLeft(word: number): void {
    for (let inside = Atomics.load(this.#words, word); inside > 0; ) {
      Atomics.wait(this.#words, word, inside);
      inside = Atomics.load(this.#words, word);
    }
  }

  #enter(): void {
    for (;;) {
      const holder = Atomics.load(this.#words, HOLDER);
      if (holder !== 0) {
        Atomics.wait(this.#words, HOLDER, holder);
        continue;
      }
      Atomics.add(this.#words, FIRST_SLOT + this.slot, 1);
      // Whoever closed the gate in between counts on everybody inside having been seen.
      if (Atomics.load(this.#words, HOLDER) === 0) return;
      this.#leave();
    }
  }

  #leave(): void {
    Atomics.sub(this.#words, FIRST_SLOT + this.slot, 1);
    Atomics.notify(this.#words, FIRST_SLOT + this.slot);
  }
}
