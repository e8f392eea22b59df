import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry } from "../trials/trial-ledger.js";

/**
 * Outcomes this many scaled median absolute deviations above the median are censored there (known only to be
 * at least that): how bad a failed configuration is carries no information, and would set the scale for all
 * others.
 */
const OUTLIER_DEVIATIONS = 10;
/**
 * Outcomes this many scaled median absolute deviations above the median are also outliers if the gap below them
 * exceeds the range of the outcomes below the gap.
 */
const SEPARATE_DEVIATIONS = 5;
/**
 * Outliers that such a gap separates are censored at the largest outcome below the gap plus this share of the
 * range of the outcomes below it.
 */
const SEPARATE_SHARE = 0.5;
/** Factor from the median absolute deviation to the standard deviation of a normal distribution. */
const NORMAL_CONSISTENCY = 1.4826;

/** A quantity of a trial that a model predicts, such as a cost or the accuracy loss; smaller is better. */
export interface Outcome {
  readonly of: (trial: FinishedTrial) => number | undefined;
  /** Limit at or below which outcomes are left-censored: known only to be at most this. */
  readonly censoredAt?: number;
  /** Whether a trial's outcome is only a rough estimate; the model imputes its own prediction instead. */
  readonly estimated?: (trial: FinishedTrial) => boolean;
}

/**
 * An outcome of trials with outliers censored (limited), centred and scaled by a model's base trials (those it
 * is fitted to).
 */
export class StandardizedOutcome {
  readonly location: number;
  readonly scale: number;
  /** Median outcome of the base trials (those that the model is fitted to), standardized. */
  readonly median: number;
  /** Limit at or below which standardized outcomes are left-censored: known only to be at most this. */
  readonly floor: number;
  /** Limit at or above which standardized outcomes are right-censored: known only to be at least this. */
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
    // Base trials whose outcome is only estimated count as the median.
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

  /**
   * A trial's standardized outcome, for a failed trial the worst one; `undefined` where it is only estimated.
   */
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
 * The value at which outcomes are censored as outliers, in the unit of the outcomes.
 *
 * @param sorted outcomes, ascending
 * @param spread scaled median absolute deviation, above 0
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
