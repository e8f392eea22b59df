import { complete, IncrementalWork, type Work } from "../numerics/incremental-work.js";
import { createRandomStream, type RandomStream } from "../numerics/random.js";
import type { EncodedSpace } from "../space/encoding.js";
import type { LedgerEntry } from "../trials/trial-ledger.js";
import { type EffectsModel, sumEffects } from "./effects-model.js";
import { drawDeviations, EffectsPosterior, type SignedDraw } from "./effects-posterior.js";
import { type EvidenceRows, finishedTrial, type PendingTrial } from "./evidence-rows.js";
import { SPREAD, scheduleRefits } from "./refit-schedule.js";
import { fitEffects, fitOperations } from "./relevance.js";
import { type Outcome, StandardizedOutcome } from "./standardized-outcome.js";

const IMPUTATION_ROUNDS = 3;
/**
 * Of the asks (proposals of a trial) over which a refit (a new fit of the model) is prepared, the share that is
 * spent on fitting; the other asks add later trials to the fitted model.
 */
const MODELLING_SHARE = 0.75;
/**
 * Limit of the arithmetic operations that one ask (proposal of a trial) spends on adding later trials to a
 * prepared refit (new fit of the model): about a millisecond.
 */
const ROW_OPERATIONS_AN_ASK = 1e6;

/**
 * Number of draws from the posterior of the effects that are kept up to date; every ask (proposal of a trial)
 * uses a new random combination of them. With more draws the asks between two refits resemble each other less;
 * in large spaces each draw costs more, so fewer are kept.
 */
function keptDraws({ offset, size }: EncodedSpace): number {
  return Math.min(128, Math.max(16, Math.floor(32_000 / offset[size]!)));
}

/**
 * Effects of every choice of the search parameters on an outcome: outcome = location + scale * (intercept + sum
 * of the effects of a configuration's choices).
 */
export interface DrawnEffects {
  /**
   * One effect per choice, in units of `scale`: the choices of all search parameters concatenated, and last the
   * intercept.
   */
  readonly effects: Float64Array;
  readonly location: number;
  readonly scale: number;
  /** Residual variance that the effects do not explain, in units of `scale` squared. */
  readonly noise: number;
}

/** An additive model fitted to the first trials (those up to a refit) and conditioned on the later ones. */
interface Fit {
  readonly refit: number;
  readonly base: readonly LedgerEntry[];
  readonly outcome: StandardizedOutcome;
  readonly posterior: EffectsPosterior;
}

/** A fit for the next refit, in progress: it is computed in slices over several asks (proposals of a trial). */
interface Preparation {
  readonly refit: number;
  readonly base: readonly LedgerEntry[];
  readonly work: IncrementalWork<Fit>;
}

/**
 * The posterior of an additive model of one outcome, given the finished trials. Running trials are imputed with
 * the predicted mean: the mean is unchanged, the variance shrinks.
 *
 * The posterior is a function of the ledger alone. The relevance of parameters and the scale of outcomes are
 * estimated at refits (new fits of the model), from the first trials by number; later trials only add
 * observations. The next refit is prepared in slices during the asks before its use, which spreads its time and
 * does not change its result.
 */
export class AdditiveEvidence {
  readonly #rows: EvidenceRows;
  readonly #outcome: Outcome;
  readonly #seed: number;
  #fit: Fit | undefined;
  #next: Preparation | undefined;

  /** @param seed seed of the posterior draws; different for each outcome */
  constructor(rows: EvidenceRows, outcome: Outcome, seed: number) {
    this.#rows = rows;
    this.#outcome = outcome;
    this.#seed = seed;
  }

  /**
   * Conditions the posterior of the effects on the ledger's current trials; call it once per ask (proposal of a
   * trial), before the other methods.
   */
  update(): void {
    const rows = this.#rows;
    const { current, next } = scheduleRefits(rows.ledger.finished.length, rows.finishedBeforeRunning);
    const base = rows.base(current);
    if (this.#fit === undefined || !isFor(this.#fit, current, base)) {
      this.#fit =
        this.#next !== undefined && isFor(this.#next, current, base)
          ? this.#next.work.finish()
          : complete(this.#fitTo(current, base));
    }
    this.#fit.posterior.condition(rows.pending(current));
    this.#prepare(current, next);
  }

  /** Posterior mean of the effects of all choices on the outcome, given the current trials. */
  mean(): DrawnEffects {
    const { posterior, outcome, refit } = this.#updated();
    const { location, scale } = outcome;
    const outcomes = pendingOutcomes(this.#rows.pending(refit), outcome, posterior);
    return { effects: posterior.mean(outcomes), location, scale, noise: posterior.noise };
  }

  /** A random posterior draw of the effects, as its deviation from the posterior mean, times `temperature`. */
  deviation(random: RandomStream, temperature: number): Float64Array {
    return this.#updated().posterior.deviation(random, temperature);
  }

  /**
   * Up to `count` posterior draws of the effects, as deviations from the posterior mean; valid until the next
   * update.
   */
  sample(random: RandomStream, count: number): readonly SignedDraw[] {
    return this.#updated().posterior.sample(random, count);
  }

  #updated(): Fit {
    if (this.#fit === undefined) {
      this.update();
    }
    return this.#fit!;
  }

  /**
   * Prepares the next refit (new fit of the model): runs a slice of its fit or, once it is fitted, adds later
   * trials to it.
   */
  #prepare(current: number, next: number): void {
    if (next === current) {
      this.#next = undefined;
      return;
    }
    const base = this.#rows.base(next);
    const operations = operationsAnAsk(this.#rows.ledger.encoded, base.length);
    if (this.#next === undefined || !isFor(this.#next, next, base)) {
      this.#next = { refit: next, base, work: new IncrementalWork(this.#fitTo(next, base)) };
      // When a study is loaded from a file, runs the slices of work that earlier asks (proposals) would have
      // run.
      this.#next.work.advance(operations * (this.#rows.ledger.finished.length - next));
    }
    const { work } = this.#next;
    if (work.result === undefined) {
      work.advance(operations);
    } else {
      const { posterior } = work.result;
      posterior.condition(
        this.#rows.pending(next),
        Math.ceil(ROW_OPERATIONS_AN_ASK / posterior.operationsPerRow),
      );
    }
  }

  *#fitTo(refit: number, base: readonly LedgerEntry[]): Work<Fit> {
    const { encoded } = this.#rows.ledger;
    const outcome = new StandardizedOutcome(this.#outcome, base);
    const outcomesOf = (model: EffectsModel) => baseOutcomes(base, outcome, model);
    const model = yield* fitEffects(
      encoded,
      base.map(({ codes }) => codes),
      outcomesOf,
    );
    const random = createRandomStream(this.#seed, refit, "posterior");
    const deviations = yield* drawDeviations(model, random, keptDraws(encoded));
    const mean = model.effects(outcomesOf(model));
    const posterior = new EffectsPosterior(model, mean, deviations, (row) =>
      createRandomStream(this.#seed, row, "row"),
    );
    return { refit, base, outcome, posterior };
  }
}

/**
 * The interval in which a missing or censored outcome (known only to be beyond a limit) lies; `undefined` where
 * the outcome is known exactly.
 */
function censoredRange(
  value: number | undefined,
  { floor, ceiling }: StandardizedOutcome,
): { readonly least: number; readonly most: number } | undefined {
  if (value === undefined) {
    return { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  }
  if (value <= floor) {
    return { least: Number.NEGATIVE_INFINITY, most: floor };
  }
  return value >= ceiling ? { least: ceiling, most: Number.POSITIVE_INFINITY } : undefined;
}

/**
 * Standardized outcomes of the base trials (those that the model is fitted to). Missing and censored outcomes
 * are imputed with the model's prediction, clipped to the interval in which they lie.
 */
function baseOutcomes(
  base: readonly LedgerEntry[],
  outcome: StandardizedOutcome,
  model: EffectsModel,
): Float64Array {
  const value = base.map(({ trial }) => outcome.of(trial));
  const ranges = value.map((value) => censoredRange(value, outcome));
  const outcomes = Float64Array.from(value, (value) => value ?? outcome.median);
  if (ranges.every((range) => range === undefined)) {
    return outcomes;
  }
  for (let round = 0; round < IMPUTATION_ROUNDS; round++) {
    const effects = model.effects(outcomes);
    for (const [i, indices] of model.indices.entries()) {
      const range = ranges[i];
      if (range !== undefined) {
        outcomes[i] = Math.min(range.most, Math.max(range.least, sumEffects(effects, indices)));
      }
    }
  }
  return outcomes;
}

/**
 * Standardized outcomes of the pending trials (those after the base that the model is fitted to); NaN where the
 * outcome is unknown.
 */
function pendingOutcomes(
  pending: readonly PendingTrial[],
  outcome: StandardizedOutcome,
  posterior: EffectsPosterior,
): Float64Array {
  const outcomes = new Float64Array(pending.length).fill(Number.NaN);
  const { floor, ceiling } = outcome;
  const censored: number[] = [];
  for (const [i, row] of pending.entries()) {
    const trial = finishedTrial(row);
    const value = trial === undefined ? undefined : outcome.of(trial);
    // An outcome at or below the floor (the limit of censoring) carries information only where the prediction
    // is above the floor.
    if (value !== undefined && value <= floor) {
      censored.push(i);
    } else if (value !== undefined && value >= ceiling) {
      // An outlier is imputed from the model of the base alone, without later trials: its value is constant,
      // and cached means stay valid.
      outcomes[i] = Math.max(ceiling, posterior.predictedByBase(i));
    } else {
      outcomes[i] = value ?? Number.NaN;
    }
  }
  for (let round = 0; censored.length > 0 && round < IMPUTATION_ROUNDS; round++) {
    const predicted = posterior.predict(outcomes);
    for (const i of censored) {
      if (Number.isNaN(outcomes[i]!) && predicted[i]! > floor) {
        outcomes[i] = floor;
      }
    }
  }
  return outcomes;
}

/**
 * Arithmetic operations to run per ask (proposal of a trial) so that a fit to this many observations is ready
 * before its use.
 */
function operationsAnAsk(encoded: EncodedSpace, observations: number): number {
  const drawing = keptDraws(encoded) * 2 * observations * (encoded.size + observations);
  return (fitOperations(encoded, observations) + drawing) / (MODELLING_SHARE * SPREAD);
}

function isFor(
  fit: { readonly refit: number; readonly base: readonly LedgerEntry[] },
  refit: number,
  base: readonly LedgerEntry[],
): boolean {
  return (
    fit.refit === refit && fit.base.length === base.length && base.every((entry, i) => entry === fit.base[i])
  );
}
