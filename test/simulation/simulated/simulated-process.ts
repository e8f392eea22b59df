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
 * A process that can end or stand still at each of its effects, before or after the effect takes place. What it
 * does after its end never happens: its promises stay open.
 */
export class SimulatedProcess implements Clock {
  #ended = false;
  #standsUntil = 0;
  readonly #standstills: { readonly from: number; readonly until: number }[] = [];
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

  async effect<Result>(takePlace: () => Promise<Result>): Promise<Result> {
    if (this.#happens(this.#mortality.hangs))
      this.#standStill(MOST_HANG_MILLISECONDS * this.#random.uniform());
    if (this.#happens(this.#mortality.dies / 2)) this.end();
    await this.#goOn();
    const result = await takePlace();
    if (this.#happens(this.#mortality.dies / 2)) this.end();
    await this.#goOn();
    return result;
  }

  now(): number {
    return this.#clock.now();
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(milliseconds, signal);
    await this.#goOn();
  }

  /** Ends it at that time, whatever it is at, unless the signal is given before. */
  endAt(time: number, signal: AbortSignal): void {
    void this.#clock.sleep(time - this.now(), signal).then(() => {
      if (!signal.aborted) this.end();
    });
  }

  /** How much time it has had since then, its standstills left out. */
  ownTimeSince(time: number): number {
    const now = this.now();
    const stood = this.#standstills.reduce(
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

  /** The store as this process reaches it. */
  reachStore(store: ObjectStore): ObjectStore {
    return {
      get: (key, range) => this.effect(() => store.get(key, range)),
      put: (key, body, condition) => this.effect(() => store.put(key, body, condition)),
      list: (prefix) => this.#reachList(store, prefix),
      delete: (key) => this.effect(() => store.delete(key)),
    };
  }

  /** The queue as this process reaches it. */
  reachQueue(queue: Queue): Queue {
    return {
      send: (messages) => this.effect(() => queue.send(messages)),
      receive: (options) => this.effect(() => queue.receive(options)),
      acknowledge: (receipt) => this.effect(() => queue.acknowledge(receipt)),
      changeVisibility: (receipt, milliseconds) =>
        this.effect(() => queue.changeVisibility(receipt, milliseconds)),
    };
  }

  async *#reachList(store: ObjectStore, prefix: string): AsyncIterable<string> {
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

  /** The whole process, its timers included. */
  #standStill(milliseconds: number): void {
    const from = Math.max(this.now(), this.#standsUntil);
    this.#standsUntil = Math.round(from + milliseconds);
    this.#standstills.push({ from, until: this.#standsUntil });
  }

  async #goOn(): Promise<void> {
    while (this.#standsUntil > this.now()) await this.#clock.sleep(this.#standsUntil - this.now());
    if (this.#ended) await new Promise<never>(() => {});
  }
}
