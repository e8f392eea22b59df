/**
 * Index of the word that says which thread holds the lock: its value is 0, or the slot of the measuring thread
 * plus one.
 */
const HOLDER = 0;
/** Index of the first thread's word; each thread's word counts how many pieces of shared work it is inside of. */
const FIRST_SLOT = 1;

/**
 * A lock between worker threads that lets one measure latency while the others wait. Shared work (scoring)
 * enters and leaves once per batch; exclusive work waits until no thread is inside and keeps all others out.
 * The threads share a buffer in which each has its own slot, so that the lock of a thread that died can be
 * released.
 */
export class ExclusiveGate {
  readonly #words: Int32Array;

  /** @param slot index of the thread that uses this gate; no other thread has it */
  constructor(
    buffer: SharedArrayBuffer,
    private readonly slot: number,
  ) {
    this.#words = new Int32Array(buffer);
  }

  /** The buffer that the threads share, for slots 0 to `slots` - 1. */
  static buffer(slots: number): SharedArrayBuffer {
    return new SharedArrayBuffer((FIRST_SLOT + slots) * Int32Array.BYTES_PER_ELEMENT);
  }

  /** Releases what a dead thread held of the lock; called from another thread. */
  static abandon(buffer: SharedArrayBuffer, slot: number): void {
    const words = new Int32Array(buffer);
    Atomics.store(words, FIRST_SLOT + slot, 0);
    Atomics.notify(words, FIRST_SLOT + slot);
    Atomics.compareExchange(words, HOLDER, slot + 1, 0);
    Atomics.notify(words, HOLDER);
  }

  /** Runs work that may run beside other shared work. Blocks the thread while exclusive work runs. */
  async shared<T>(work: () => Promise<T>): Promise<T> {
    this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Runs work while no other work runs. Blocks the thread until shared work has left. */
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
      // A thread that took the gate in between may not have seen this one inside, so step out and wait.
      if (Atomics.load(this.#words, HOLDER) === 0) return;
      this.#leave();
    }
  }

  #leave(): void {
    Atomics.sub(this.#words, FIRST_SLOT + this.slot, 1);
    Atomics.notify(this.#words, FIRST_SLOT + this.slot);
  }
}
