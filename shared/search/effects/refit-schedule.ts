/** Number of trials between refits, as long as there are fewer than `below` trials. */
const STEPS: readonly { readonly below: number; readonly step: number }[] = [
  { below: 8, step: 1 },
  { below: 64, step: 8 },
  { below: 256, step: 16 },
  { below: 1024, step: 64 },
  { below: 4096, step: 128 },
  { below: Number.POSITIVE_INFINITY, step: 256 },
];

/**
 * From this many trials on, a refit is used with a delay, so that its work can be spread over several asks.
 */
const SPREAD_FROM = 256;
/** The delay, in trials. */
export const SPREAD = 64;

/**
 * How many later trials may finish before a running trial no longer delays refits; the limit depends on the
 * number of finished trials.
 */
const PATIENCE: readonly { readonly from: number; readonly trials: number }[] = [
  { from: SPREAD_FROM + SPREAD, trials: 192 },
  { from: 64, trials: 16 },
];

/** Refits, each identified by the number of trials it uses: the first finished ones by trial number. */
export interface Refits {
  /** The refit in use. */
  readonly current: number;
  /** The refit to prepare; equal to `current` where there is none yet. */
  readonly next: number;
}

/**
 * Returns the current and the next refit. A refit uses only trials before which no running trial is expected
 * to finish any more, since a late result would change its trials and force it to be repeated.
 *
 * @param finished number of finished trials
 * @param finishedBeforeRunning number of finished trials before the first running one
 */
export function scheduleRefits(finished: number, finishedBeforeRunning: number): Refits {
  const patience = PATIENCE.find(({ from }) => finished >= from)?.trials ?? 0;
  const stable = Math.max(finishedBeforeRunning, finished - patience);
  const used =
    finished < SPREAD_FROM + SPREAD ? Math.min(stable, SPREAD_FROM) : Math.min(stable, finished - SPREAD);
  const current = refitBefore(used);
  return { current, next: finished < SPREAD_FROM ? current : Math.max(current, refitBefore(stable)) };
}

function refitBefore(trials: number): number {
  const { step } = STEPS.find(({ below }) => trials < below)!;
  return trials - (trials % step);
}
