import type { Clock } from "../../../shared/queues/clock.js";

interface Timer {
  readonly at: number;
  /** Timers of the same time fire in the order in which they were set. */
  readonly order: number;
  readonly wake: () => void;
  cancelled: boolean;
}

/** A clock that advances only when everything waits for it, so that hours of a run take milliseconds. */
export class VirtualClock implements Clock {
  #now: number;
  #set = 0;
  /** A binary heap by time, then order. */
  readonly #timers: Timer[] = [];

  constructor(start: number) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const at = this.#now + Math.max(0, Math.round(milliseconds));
      const cancel = (): void => {
        timer.cancelled = true;
        resolve();
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", cancel);
        resolve();
      };
      const timer: Timer = { at, order: this.#set++, wake, cancelled: false };
      this.#push(timer);
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /**
   * Advances time until the condition holds.
   *
   * @returns whether the condition holds; `false` if nothing waits for the clock any more
   */
  async runUntil(condition: () => boolean): Promise<boolean> {
    for (;;) {
      // After an immediate, all promises that can continue without advancing time have done so.
      await new Promise((resolve) => setImmediate(resolve));
      if (condition()) return true;
      let timer = this.#pop();
      while (timer?.cancelled) timer = this.#pop();
      if (timer === undefined) return false;
      this.#now = timer.at;
      timer.wake();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let i = heap.push(timer) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (isBefore(heap[parent]!, timer)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#timers;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
