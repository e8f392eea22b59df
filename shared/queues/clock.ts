import { setTimeout as timer } from "node:timers/promises";

/** The clock of coordinators and workers; the reducer knows only the times of its events. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after that many milliseconds, or immediately when the signal is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(milliseconds, signal) {
    try {
      await timer(milliseconds, undefined, { signal });
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  },
};
