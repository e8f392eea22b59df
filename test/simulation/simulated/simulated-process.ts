import type { Clock } from "../../../shared/queues/clock.js";
import type { Queue } from "../../../shared/queues/queue.js";
import type { RandomStream } from "../../../shared/search/numerics/random.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import type { VirtualClock } from "./virtual-clock.js";

export interface Mortality {
  readonly dies: number;
  readonly hangs: number;
}

const MOST_HANG_MILLISECONDS = 240_000;

/**
 * A process that can end or be suspended at each of its effects, before or after the effect takes place.
 * Nothing happens in it after its end: its promises stay pending.
 */
export class SimulatedProcess implements Clock {
  #ended = false;
  #suspendedUntil = 0;
  readonly #suspensions: { readonly from: number; readonly until: number }[] = [];
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #mortality: Mortality;
  readonly #onEnd: () => void;

  constructor(clock: VirtualClock, random: RandomStream, mortality: Mortality, onEnd: () => void) {
    this.#clock = clock;
    this.#random = random;
    this.#mortality = mortality;
    this.#onEnd = onEnd;
  }

  async effect<Result>(carryOut: () => Promise<Result>): Promise<Result> {
    if (this.#happens(this.#mortality.hangs)) this.#suspend(MOST_HANG_MILLISECONDS * this.#random.uniform());
    if (this.#happens(this.#mortality.dies / 2)) this.end();
    await this.#continue();
    const result = await carryOut();
    if (this.#happens(this.#mortality.dies / 2)) this.end();
    await this.#continue();
    return result;
  }

  now(): number {
    return this.#clock.now();
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(milliseconds, signal);
    await this.#continue();
  }

  /** Ends the process at that time, unless the signal is aborted before. */
  endAt(time: number, signal: AbortSignal): void {
    void this.#clock.sleep(time - this.now(), signal).then(() => {
      if (!signal.aborted) this.end();
    });
  }

  /** Time since then without suspensions. */
  ownTimeSince(time: number): number {
    const now = this.now();
    const stood = this.#suspensions.reduce(
      (sum, { from, until }) => sum + Math.max(0, Math.min(now, until) - Math.max(time, from)),
      0,
    );
    return now - time - stood;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
  }

  /** The store as seen by this process. */
  wrapStore(store: ObjectStore): ObjectStore {
    return {
      get: (key, range) => this.effect(() => store.get(key, range)),
      put: (key, body, condition) => this.effect(() => store.put(key, body, condition)),
      list: (prefix) => this.#wrapList(store, prefix),
      delete: (key) => this.effect(() => store.delete(key)),
    };
  }

  /** The queue as seen by this process. */
  wrapQueue(queue: Queue): Queue {
    return {
      send: (messages) => this.effect(() => queue.send(messages)),
      receive: (options) => this.effect(() => queue.receive(options)),
      acknowledge: (receipt) => this.effect(() => queue.acknowledge(receipt)),
      changeVisibility: (receipt, milliseconds) =>
        this.effect(() => queue.changeVisibility(receipt, milliseconds)),
    };
  }

  async *#wrapList(store: ObjectStore, prefix: string): AsyncIterable<string> {
    const keys = store.list(prefix)[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.effect(() => keys.next());
      if (done) return;
      yield value;
    }
  }

  #happens(probability: number): boolean {
    return this.#random.uniform() < probability;
  }

  /** Suspends the whole process, including its timers. */
  #suspend(milliseconds: number): void {
    const from = Math.max(this.now(), this.#suspendedUntil);
    this.#suspendedUntil = Math.round(from + milliseconds);
    this.#suspensions.push({ from, until: this.#suspendedUntil });
  }

  async #continue(): Promise<void> {
    while (this.#suspendedUntil > this.now()) await this.#clock.sleep(this.#suspendedUntil - this.now());
    if (this.#ended) await new Promise<never>(() => {});
  }
}
