import type { Queue } from "../../shared/queues/queue.js";
import type { RandomStream } from "../../shared/search/random.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
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
export class SimulatedProcess {
  #ended = false;
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
      await this.#clock.sleep(MOST_HANG_MILLISECONDS * this.#random.uniform());
    if (this.#happens(this.#mortality.dies / 2)) this.end();
    await this.#goOn();
    const result = await takePlace();
    if (this.#happens(this.#mortality.dies / 2)) this.end();
    await this.#goOn();
    return result;
  }

  async sleep(milliseconds: number): Promise<void> {
    await this.#clock.sleep(milliseconds);
    await this.#goOn();
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
      list: (prefix) => store.list(prefix),
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

  #happens(probability: number): boolean {
    return this.#random.uniform() < probability;
  }

  async #goOn(): Promise<void> {
    if (this.#ended) await new Promise<never>(() => {});
  }
}
