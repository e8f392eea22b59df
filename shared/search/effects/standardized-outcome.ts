import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry } from "../trials/trial-ledger.js";

/**
 * Outcomes this many scaled absolute deviations above the median are only known to be at least that: how far a
 * catastrophe fell is no news, and would set the scale for all others.
 */
const OUTLIER_DEVIATIONS = 10;
/** From so many deviations on outcomes may be of another kind than the rest: where the gap to them is wider than the rest. */
const SEPARATE_DEVIATIONS = 5;
/** Those are known to lie beyond the rest by at least this share of its range. */
const SEPARATE_SHARE = 0.5;
const NORMAL_CONSISTENCY = 1.4826;

/** An outcome of a trial that is modelled, smaller being better. */
export interface Outcome {
  readonly of: (trial: FinishedTrial) => number | undefined;
  /** Outcomes at or below this are only known to be so. */
  readonly censoredAt?: number;
  /** Whether a trial's outcome is no more than a rough estimate, in place of which the model's own is taken. */
  readonly estimated?: (trial: FinishedTrial) => boolean;
}

/** An outcome with outliers pulled in, centred and scaled by the trials that a model is based on. */
export class StandardizedOutcome {
  readonly location: number;
  readonly scale: number;
  /** Standardized: what the middle one of the base is. */
  readonly median: number;
  /** Standardized: outcomes at or below this are only known to be so. */
  readonly floor: number;
  /** Standardized: outcomes at or above this are only known to be so. */
  readonly ceiling: number;
  readonly #outcome: Outcome;
  readonly #ceiling: number;
  readonly #worst: number;

  constructor(outcome: Outcome, base: readonly LedgerEntry[]) {
    this.#outcome = outcome;
    const known = base.filter(({ trial }) => !this.#isEstimated(trial));
    const raw = known.map(({ trial }) => (trial.state === "failed" ? undefined : outcome.of(trial)));
    const sorted = Float64Array.from(raw.filter((value) => value !== undefined)).sort();
    const median = sorted[sorted.length >> 1] ?? 0;
    const deviations = sorted.map((value) => Math.abs(value - median)).sort();
    const spread = NORMAL_CONSISTENCY * (deviations[deviations.length >> 1] ?? 0);
    this.#ceiling = spread > 0 ? outlierCeiling(sorted, median, spread) : Number.POSITIVE_INFINITY;
    this.#worst = Math.min(this.#ceiling, sorted.at(-1) ?? 0);
    // Estimated outcomes count as the median.
    const values = new Float64Array(base.length).fill(median);
    for (const [i, value] of raw.entries()) {
      values[i] = Math.min(value ?? this.#worst, this.#ceiling);
    }
    const count = Math.max(1, values.length);
    const location = values.reduce((sum, value) => sum + value, 0) / count;
    const variance = values.reduce((sum, value) => sum + (value - location) ** 2, 0) / count;
    this.location = location;
    this.scale = variance > 0 ? Math.sqrt(variance) : 1;
    this.median = (median - location) / this.scale;
    const { censoredAt = Number.NEGATIVE_INFINITY } = outcome;
    this.floor = (censoredAt - location) / this.scale;
    this.ceiling = (this.#ceiling - location) / this.scale;
  }

  /** A trial's outcome, a failed one's the worst; `undefined` where it is only estimated. */
  of(trial: FinishedTrial): number | undefined {
    if (this.#isEstimated(trial)) {
      return undefined;
    }
    const value = (trial.state === "failed" ? undefined : this.#outcome.of(trial)) ?? this.#worst;
    return (Math.min(value, this.#ceiling) - this.location) / this.scale;
  }

  #isEstimated(trial: FinishedTrial): boolean {
    return this.#outcome.estimated?.(trial) ?? false;
  }
}

/**
 * Where outliers begin, in the unit of the outcomes.
 *
 * @param sorted outcomes, the best first
 */
function outlierCeiling(sorted: Float64Array, median: number, spread: number): number {
  const first = sorted.findIndex((value) => value > median + SEPARATE_DEVIATIONS * spread);
  const worst = sorted[first - 1];
  if (worst !== undefined) {
    const range = worst - sorted[0]!;
    if (sorted[first]! - worst > range) {
      return worst + SEPARATE_SHARE * range;
    }
  }
  return median + OUTLIER_DEVIATIONS * spread;
}
