import { setTimeout as timer } from "node:timers/promises";

/** Time for those who carry the run; the reducer has none but that of its events. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Ends after that long, or at once when the signal is given. */
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
