/** Refits come this often, counted in trials, up to so many trials. */
const STEPS: readonly { readonly below: number; readonly step: number }[] = [
  { below: 8, step: 1 },
  { below: 64, step: 8 },
  { below: 256, step: 16 },
  { below: 1024, step: 64 },
  { below: 4096, step: 128 },
  { below: Number.POSITIVE_INFINITY, step: 256 },
];

/** From this many trials on a refit is used so many trials after its own, over which its work is spread. */
const SPREAD_FROM = 256;
export const SPREAD = 64;

/** A trial that takes this much longer than others no longer holds refits up: from so many finished trials on. */
const PATIENCE: readonly { readonly from: number; readonly trials: number }[] = [
  { from: SPREAD_FROM + SPREAD, trials: 192 },
  { from: 64, trials: 16 },
];

/** Which refits there are, by the number of trials that each rests on, the first ones by trial number. */
export interface Refits {
  /** The one in use. */
  readonly current: number;
  /** The one to prepare; the same where there is none to prepare yet. */
  readonly next: number;
}

/**
 * A refit rests on trials among which no late one is expected, or each that ends after its successors would make
 * it be done again.
 *
 * @param finished trials
 * @param settled those of them before the first that is still running
 */
export function scheduleRefits(finished: number, settled: number): Refits {
  const patience = PATIENCE.find(({ from }) => finished >= from)?.trials ?? 0;
  const stable = Math.max(settled, finished - patience);
  const used =
    finished < SPREAD_FROM + SPREAD ? Math.min(stable, SPREAD_FROM) : Math.min(stable, finished - SPREAD);
  const current = refitBefore(used);
  return { current, next: finished < SPREAD_FROM ? current : Math.max(current, refitBefore(stable)) };
}

function refitBefore(trials: number): number {
  const { step } = STEPS.find(({ below }) => trials < below)!;
  return trials - (trials % step);
}
