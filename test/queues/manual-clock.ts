import type { Clock } from "../../shared/queues/clock.js";

/** A clock that is advanced by hand. */
export class ManualClock implements Clock {
  #now = 0;
  #sleepers: { readonly until: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (milliseconds <= 0 || signal?.aborted) return;
    await new Promise<void>((wake) => {
      this.#sleepers.push({ until: this.#now + milliseconds, wake });
      signal?.addEventListener("abort", () => wake(), { once: true });
    });
  }

  async pass(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    const due = this.#sleepers.filter(({ until }) => until <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ until }) => until > this.#now);
    for (const { wake } of due) wake();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
