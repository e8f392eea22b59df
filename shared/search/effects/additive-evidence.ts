import { createRandomStream, type RandomStream } from "../numerics/random.js";
import { complete, SpreadWork, type Work } from "../numerics/spread-work.js";
import type { EncodedSpace } from "../space/encoding.js";
import type { LedgerEntry } from "../trials/trial-ledger.js";
import { type EffectsModel, sumEffects } from "./effects-model.js";
import { drawDeviations, EffectsPosterior, type SignedDraw } from "./effects-posterior.js";
import { type EvidenceRows, finishedTrial, type PendingTrial } from "./evidence-rows.js";
import { SPREAD, scheduleRefits } from "./refit-schedule.js";
import { fitEffects, fitOperations } from "./relevance.js";
import { type Outcome, StandardizedOutcome } from "./standardized-outcome.js";

const IMPUTATION_ROUNDS = 3;
/** The share of the asks before a refit is used in which its model is made; in the others rows follow. */
const MODELLING_SHARE = 0.75;
/** What an ask then does for them: about a millisecond. */
const ROW_OPERATIONS_AN_ASK = 1e6;

/**
 * Draws from the posterior that are kept up to date; every ask combines them anew. The more, the less asks between two
 * refits resemble each other (docs/search.md has figures); the larger the space, the more each costs.
 */
function keptDraws({ offset, size }: EncodedSpace): number {
  return Math.min(128, Math.max(16, Math.floor(32_000 / offset[size]!)));
}

/** What every choice adds to an outcome: on average, or in one draw. */
export interface DrawnEffects {
  /** In units of `scale`; one a choice, all choices in one row, and last the intercept. */
  readonly effects: Float64Array;
  readonly location: number;
  readonly scale: number;
  /** Variance of what the effects leave open, in units of `scale` squared. */
  readonly noise: number;
}

/** A model of the trials up to a refit, with what has come since. */
interface Fit {
  readonly refit: number;
  readonly base: readonly LedgerEntry[];
  readonly outcome: StandardizedOutcome;
  readonly posterior: EffectsPosterior;
}

/** A fit that is being made. */
interface Preparation {
  readonly refit: number;
  readonly base: readonly LedgerEntry[];
  readonly work: SpreadWork<Fit>;
}

/**
 * Additive evidence on one outcome: the posterior of an additive model of it, given the finished trials. Running trials
 * are taken to bring what the mean foretells: that leaves the mean alone and narrows the posterior where they look.
 *
 * What it holds is a function of the ledger alone. Relevance and the scale of outcomes come from the trials up to a
 * refit by number; later trials only add observations. The next refit is prepared over the asks before it is used,
 * which changes when its work is done and not what it comes to.
 */
export class AdditiveEvidence {
  readonly #rows: EvidenceRows;
  readonly #outcome: Outcome;
  readonly #seed: number;
  #fit: Fit | undefined;
  #next: Preparation | undefined;

  /** @param seed of the draws; evidence on several outcomes needs several */
  constructor(rows: EvidenceRows, outcome: Outcome, seed: number) {
    this.#rows = rows;
    this.#outcome = outcome;
    this.#seed = seed;
  }

  /** Brings it up to date with the ledger; call it once an ask, ahead of the others. */
  update(): void {
    const rows = this.#rows;
    const { current, next } = scheduleRefits(rows.ledger.finished.length, rows.settled);
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

  /** What every choice adds on average. */
  mean(): DrawnEffects {
    const { posterior, outcome, refit } = this.#updated();
    const { location, scale } = outcome;
    const outcomes = pendingOutcomes(this.#rows.pending(refit), outcome, posterior);
    return { effects: posterior.mean(outcomes), location, scale, noise: posterior.noise };
  }

  /** How a draw from the posterior differs from the mean, times `temperature`. */
  deviation(random: RandomStream, temperature: number): Float64Array {
    return this.#updated().posterior.deviation(random, temperature);
  }

  /** Draws from the posterior without the mean; they hold until the next update. */
  sample(random: RandomStream, count: number): readonly SignedDraw[] {
    return this.#updated().posterior.sample(random, count);
  }

  #updated(): Fit {
    if (this.#fit === undefined) {
      this.update();
    }
    return this.#fit!;
  }

  /** Does a share of the work for the next refit, and has it follow the trials once it stands. */
  #prepare(current: number, next: number): void {
    if (next === current) {
      this.#next = undefined;
      return;
    }
    const base = this.#rows.base(next);
    const operations = operationsAnAsk(this.#rows.ledger.encoded, base.length);
    if (this.#next === undefined || !isFor(this.#next, next, base)) {
      this.#next = { refit: next, base, work: new SpreadWork(this.#fitTo(next, base)) };
      // After a study was loaded, what earlier asks would have done.
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

/** What a standardized outcome can be that is told as this; `undefined` where it is known. */
function censoredRange(
  told: number | undefined,
  { floor, ceiling }: StandardizedOutcome,
): { readonly least: number; readonly most: number } | undefined {
  if (told === undefined) {
    return { least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  }
  if (told <= floor) {
    return { least: Number.NEGATIVE_INFINITY, most: floor };
  }
  return told >= ceiling ? { least: ceiling, most: Number.POSITIVE_INFINITY } : undefined;
}

/**
 * Standardized outcomes of the base; what the model foretells stands in for those that are not known, within what they
 * can be.
 */
function baseOutcomes(
  base: readonly LedgerEntry[],
  outcome: StandardizedOutcome,
  model: EffectsModel,
): Float64Array {
  const told = base.map(({ trial }) => outcome.of(trial));
  const ranges = told.map((value) => censoredRange(value, outcome));
  const outcomes = Float64Array.from(told, (value) => value ?? outcome.median);
  if (ranges.every((range) => range === undefined)) {
    return outcomes;
  }
  for (let round = 0; round < IMPUTATION_ROUNDS; round++) {
    const effects = model.effects(outcomes);
    for (const [i, places] of model.places.entries()) {
      const range = ranges[i];
      if (range !== undefined) {
        outcomes[i] = Math.min(range.most, Math.max(range.least, sumEffects(effects, places)));
      }
    }
  }
  return outcomes;
}

/** Standardized outcomes of the trials behind the base; NaN for one that is not known. */
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
    const told = trial === undefined ? undefined : outcome.of(trial);
    // That an outcome is below the floor is news only where more was foretold.
    if (told !== undefined && told <= floor) {
      censored.push(i);
    } else if (told !== undefined && told >= ceiling) {
      // By the base alone it never changes, and the mean need not be made anew with every row that follows.
      outcomes[i] = Math.max(ceiling, posterior.foretoldByBase(i));
    } else {
      outcomes[i] = told ?? Number.NaN;
    }
  }
  for (let round = 0; censored.length > 0 && round < IMPUTATION_ROUNDS; round++) {
    const foretold = posterior.foretell(outcomes);
    for (const i of censored) {
      if (Number.isNaN(outcomes[i]!) && foretold[i]! > floor) {
        outcomes[i] = floor;
      }
    }
  }
  return outcomes;
}

/** What an ask does of a fit to so many observations. */
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
