import { EffectsModel, initialRelevance, sumEffects } from "./effects-model.js";
import type { Codes, EncodedSpace } from "./encoding.js";
import type { RandomStream } from "./random.js";
import type { FinishedTrial } from "./sampler.js";
import type { LedgerEntry, RunningEntry, TrialLedger } from "./trial-ledger.js";

/** Steps of relevance estimation at every refit. */
const RELEVANCE_STEPS = 2;
/** Outcomes this many scaled absolute deviations above the median say no more than "bad". */
const OUTLIER_DEVIATIONS = 10;
const NORMAL_CONSISTENCY = 1.4826;
const IMPUTATION_ROUNDS = 3;
/** Of more running trials than these the latest count; the first of them moves in steps, so that rows can be kept. */
const RUNNING_LIMIT = 256;
const RUNNING_STEP = 64;

/** Observations that a model keeps, so that one refit stays within some 50 ms whatever the size of the space. */
function capacity(encoded: EncodedSpace): number {
  return Math.min(400, Math.max(128, Math.floor(Math.sqrt(6e6 / Math.max(1, encoded.size)))));
}

/** The number of trials at which relevance was last estimated: every 8 trials early on, every 64 in the end. */
function lastRefit(trials: number): number {
  const step = trials < 64 ? 8 : trials < 256 ? 16 : 64;
  return trials - (trials % step);
}

/** An outcome of a trial that is modelled, smaller being better. */
export interface Outcome {
  readonly of: (trial: FinishedTrial) => number | undefined;
  /** Outcomes at or below this are only known to be so. */
  readonly censoredAt?: number;
  /** Whether a trial's outcome is no more than a rough estimate, in place of which the model's own is taken. */
  readonly estimated?: (trial: FinishedTrial) => boolean;
}

/** One draw of what every choice adds to an outcome. */
export interface DrawnEffects {
  /** In units of `scale`; one a choice, all choices in one row, and last the intercept. */
  readonly effects: Float64Array;
  readonly location: number;
  readonly scale: number;
  /** Variance of what the effects leave open, in units of `scale` squared. */
  readonly noise: number;
}

/**
 * Additive evidence on one outcome: an {@link EffectsModel} of the finished trials.
 *
 * What it holds is a function of the ledger alone. Relevance comes from the trials up to the last refit by number;
 * later trials only add observations, at a cost of n² each.
 */
export class AdditiveEvidence {
  readonly #ledger: TrialLedger;
  readonly #outcome: Outcome;
  #model: EffectsModel;
  #base: readonly LedgerEntry[] = [];
  #entries: LedgerEntry[] = [];
  /**
   * The same observations and the running trials. A posterior's width does not depend on outcomes, so a trial keeps
   * its row when it ends: behind the base stand finished and running trials together, by number.
   */
  #widened: EffectsModel;
  #widenedRows: Codes[] = [];
  /** Of the entries as they are; forgotten when they change. */
  #mean: DrawnEffects | undefined;

  constructor(ledger: TrialLedger, outcome: Outcome) {
    this.#ledger = ledger;
    this.#outcome = outcome;
    this.#model = new EffectsModel(ledger.encoded, initialRelevance(ledger.encoded));
    this.#widened = new EffectsModel(ledger.encoded, this.#model.relevance);
  }

  /**
   * Running trials are taken to bring what the mean foretells: that leaves the mean alone and narrows the posterior.
   *
   * @param temperature 0 for the mean, 1 for a draw from the posterior
   */
  draw(random: RandomStream, temperature: number): DrawnEffects {
    const drawn = this.mean();
    if (temperature > 0) {
      this.#widen();
      const deviation = this.#widened.deviation(random, temperature);
      for (let k = 0; k < deviation.length; k++) {
        drawn.effects[k]! += deviation[k]!;
      }
    }
    return drawn;
  }

  /** What every choice adds on average. */
  mean(): DrawnEffects {
    this.#refresh();
    if (this.#mean === undefined) {
      const { outcomes, location, scale } = this.#outcomes(this.#entries);
      const { noise } = this.#model.relevance;
      this.#mean = { effects: this.#model.effects(outcomes), location, scale, noise };
    }
    return { ...this.#mean, effects: this.#mean.effects.slice() };
  }

  #widen(): void {
    const recent = this.#entries
      .slice(this.#base.length)
      .map(({ trial, codes }) => ({ number: trial.number, codes }));
    const pending = [...recent, ...latestRunning(this.#ledger.running)].sort((a, b) => a.number - b.number);
    const rows = [...this.#base, ...pending].map(({ codes }) => codes);
    let kept = 0;
    while (kept < rows.length && rows[kept] === this.#widenedRows[kept]) {
      kept++;
    }
    this.#widened.truncate(kept);
    for (const codes of rows.slice(kept)) {
      this.#widened.append(codes);
    }
    this.#widenedRows = rows;
  }

  #refresh(): void {
    const { finished, ranked, encoded } = this.#ledger;
    const refit = lastRefit(finished.length);
    const limit = capacity(encoded);
    const base = refit <= limit ? finished.slice(0, refit) : best(ranked, finished[refit - 1]!, limit);
    if (!sameEntries(base, this.#base)) {
      this.#refit(base);
    }
    const recent = finished.slice(refit);
    let kept = base.length;
    while (kept < this.#entries.length && this.#entries[kept] === recent[kept - base.length]) {
      kept++;
    }
    if (kept === this.#entries.length && kept === base.length + recent.length) {
      return;
    }
    this.#mean = undefined;
    this.#model.truncate(kept);
    this.#entries.length = kept;
    for (const entry of recent.slice(kept - base.length)) {
      this.#model.append(entry.codes);
      this.#entries.push(entry);
    }
  }

  #refit(base: readonly LedgerEntry[]): void {
    const { encoded } = this.#ledger;
    let relevance = initialRelevance(encoded);
    for (let step = 0; ; step++) {
      this.#model = new EffectsModel(encoded, relevance);
      for (const { codes } of base) {
        this.#model.append(codes);
      }
      if (step === RELEVANCE_STEPS || base.length === 0) {
        break;
      }
      relevance = this.#model.reestimate(this.#outcomes(base).outcomes);
    }
    this.#base = base;
    this.#entries = [...base];
    this.#widened = this.#model.copy();
    this.#widenedRows = base.map(({ codes }) => codes);
    this.#mean = undefined;
  }

  /** Outcomes with outliers pulled in, centred and scaled; a failed trial has the worst. */
  #outcomes(entries: readonly LedgerEntry[]): { outcomes: Float64Array; location: number; scale: number } {
    const estimated = entries.map(({ trial }) => this.#outcome.estimated?.(trial) ?? false);
    const raw = entries.map(({ trial }, i) =>
      trial.state === "failed" || estimated[i] ? undefined : this.#outcome.of(trial),
    );
    const sorted = Float64Array.from(raw.filter((value) => value !== undefined)).sort();
    if (sorted.length === 0) {
      return { outcomes: new Float64Array(entries.length), location: 0, scale: 1 };
    }
    const median = sorted[sorted.length >> 1]!;
    const deviations = sorted.map((value) => Math.abs(value - median)).sort();
    const spread = NORMAL_CONSISTENCY * deviations[deviations.length >> 1]!;
    const ceiling = spread > 0 ? median + OUTLIER_DEVIATIONS * spread : Number.POSITIVE_INFINITY;
    const worst = Math.min(ceiling, sorted.at(-1)!);
    const values = Float64Array.from(raw, (value, i) => {
      if (estimated[i]) return median;
      return Math.min(value ?? worst, ceiling);
    });
    const location = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - location) ** 2, 0) / values.length;
    const scale = variance > 0 ? Math.sqrt(variance) : 1;
    const outcomes = values.map((value) => (value - location) / scale);
    const { censoredAt } = this.#outcome;
    if ((censoredAt !== undefined || estimated.includes(true)) && this.#model.size === entries.length) {
      const bound = censoredAt === undefined ? Number.NEGATIVE_INFINITY : (censoredAt - location) / scale;
      const limits = outcomes.map((value, i) => {
        if (estimated[i]) return Number.POSITIVE_INFINITY;
        return value <= bound ? bound : Number.NaN;
      });
      this.#impute(entries, outcomes, limits);
    }
    return { outcomes, location, scale };
  }

  /**
   * Puts what the model foretells in place of outcomes that are not known.
   *
   * @param limits what such an outcome is at most; NaN for one that is known
   */
  #impute(entries: readonly LedgerEntry[], outcomes: Float64Array, limits: Float64Array): void {
    for (let round = 0; round < IMPUTATION_ROUNDS; round++) {
      const effects = this.#model.effects(outcomes);
      for (const [i, { codes }] of entries.entries()) {
        const limit = limits[i]!;
        if (!Number.isNaN(limit)) {
          outcomes[i] = Math.min(limit, sumEffects(this.#ledger.encoded, effects, codes));
        }
      }
    }
  }
}

function latestRunning(running: readonly RunningEntry[]): readonly RunningEntry[] {
  const beyond = Math.ceil((running.length - RUNNING_LIMIT) / RUNNING_STEP) * RUNNING_STEP;
  return beyond <= 0 ? running : running.slice(beyond);
}

/** The best entries among those up to `last` by number, in the order of their numbers. */
function best(ranked: readonly LedgerEntry[], last: LedgerEntry, limit: number): readonly LedgerEntry[] {
  const chosen: LedgerEntry[] = [];
  for (const entry of ranked) {
    if (entry.trial.number <= last.trial.number && chosen.push(entry) === limit) {
      break;
    }
  }
  return chosen.sort((a, b) => a.trial.number - b.trial.number);
}

function sameEntries(a: readonly LedgerEntry[], b: readonly LedgerEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry === b[i]);
}
