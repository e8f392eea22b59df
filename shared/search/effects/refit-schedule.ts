/**
 * Number of finished trials between refits (new fits of the additive models) while there are fewer than `below`
 * finished trials.
 */
const STEPS: readonly { readonly below: number; readonly step: number }[] = [
  { below: 8, step: 1 },
  { below: 64, step: 8 },
  { below: 256, step: 16 },
  { below: 1024, step: 64 },
  { below: 4096, step: 128 },
  { below: Number.POSITIVE_INFINITY, step: 256 },
];

/**
 * From this many finished trials on, a refit (new fit of the models) is used with a delay, so that its work can
 * be spread over several asks (proposals of a trial).
 */
const SPREAD_FROM = 256;
/**
 * Delay of the use of such a refit (fit of the models), in finished trials since the last one that it is fitted
 * to.
 */
export const SPREAD = 64;

/**
 * Number of later trials that may finish before a running trial no longer delays refits (new fits of the
 * models); it applies from `from` finished trials on.
 */
const PATIENCE: readonly { readonly from: number; readonly trials: number }[] = [
  { from: SPREAD_FROM + SPREAD, trials: 192 },
  { from: 64, trials: 16 },
];

/**
 * The refits (fits of the models) in use and in preparation, each identified by the number of trials it uses:
 * the first finished ones by trial number.
 */
export interface Refits {
  /** The refit in use, as its number of trials. */
  readonly current: number;
  /** The refit to prepare, as its number of trials; equal to `current` where there is none to prepare yet. */
  readonly next: number;
}

/**
 * Returns the current and the next refit (fit of the models). A refit uses only trials before which no running
 * trial is expected to finish any more, since a late result would change its trials and force it to be
 * repeated.
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
