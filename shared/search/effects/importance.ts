import { normalQuantile } from "../numerics/normal.js";
import { createRandomStream } from "../numerics/random.js";
import { type EncodedSpace, encodeSpace, INACTIVE } from "../space/encoding.js";
import type { Space } from "../space/space.js";
import type { FinishedTrial } from "../trials/sampler.js";
import { TrialLedger } from "../trials/trial-ledger.js";
import { AdditiveEvidence } from "./additive-evidence.js";
import { EvidenceRows } from "./evidence-rows.js";

/** How much one parameter moved an outcome. */
export interface ParameterImportance {
  readonly name: string;
  readonly group: string;
  /** Share of the variance that all parameters explain alone; the shares add up to one, or are all 0. */
  readonly share: number;
  /** In which the share lies with 90 % of the model's belief. */
  readonly interval: readonly [low: number, high: number];
  /** Mean effect of each choice on the outcome, in its own units and relative to the parameter's mean choice. */
  readonly effects: readonly number[];
  /** Standard deviation of each effect in the model's belief. */
  readonly deviations: readonly number[];
  /** Whether two of its choices differ by more than the model's noise, with as many as there are to compare. */
  readonly isCertain: boolean;
}

/** Draws from the model's belief that uncertainties are taken from. */
const DRAWS = 128;
/** How seldom any parameter may be called certain that moves nothing. */
const ERROR_RATE = 0.01;

/**
 * Which parameters mattered: the first-order terms of a functional analysis of variance (Hutter, Hoos and
 * Leyton-Brown, "An efficient approach for assessing hyperparameter importance", 2014), taken of the additive
 * Bayesian model that the search itself uses instead of a random forest. Interactions count as noise.
 *
 * @param outcome what is explained, such as the first value or the violation; failed trials are left out
 * @returns a row a parameter, in the space's order
 */
export function parameterImportance(
  space: Space,
  trials: readonly FinishedTrial[],
  outcome: (trial: FinishedTrial) => number,
): ParameterImportance[] {
  const encoded = encodeSpace(space);
  const ledger = new TrialLedger(encoded);
  for (const trial of trials) {
    if (trial.state !== "failed") {
      ledger.tell(trial);
    }
  }
  const evidence = new AdditiveEvidence(new EvidenceRows(ledger), { of: outcome }, 0);
  const { effects, scale } = evidence.mean();
  const random = createRandomStream(0, ledger.finished.length, "importance");
  const draws = evidence
    .sample(random, DRAWS)
    .map(({ effects: deviation, sign }) => deviation.map((value) => sign * value));
  const shares = sharesOf(effects, encoded, ledger);
  const drawnShares = draws.map((draw) =>
    sharesOf(
      draw.map((value, k) => value + effects[k]!),
      encoded,
      ledger,
    ),
  );
  const comparisons = space.reduce(
    (sum, { choices }) => sum + (choices.length * (choices.length - 1)) / 2,
    0,
  );
  const threshold = normalQuantile(1 - ERROR_RATE / 2 / Math.max(1, comparisons));
  return space.map(({ name, group }, d) => {
    const [start, end] = [encoded.offset[d]!, encoded.offset[d + 1]!];
    const own = effects.subarray(start, end);
    const [most, least] = [start + own.indexOf(Math.max(...own)), start + own.indexOf(Math.min(...own))];
    const contrast = deviationOf(draws.map((draw) => draw[most]! - draw[least]!));
    const drawn = Float64Array.from(drawnShares, (each) => each[d]!).sort();
    return {
      name,
      group,
      share: shares[d]!,
      // Where the model leaves much open, draws give every parameter some share, and others less than the mean does.
      interval: [
        Math.min(shares[d]!, drawn[Math.floor(0.05 * drawn.length)] ?? 0),
        Math.max(shares[d]!, drawn[Math.floor(0.95 * drawn.length)] ?? 0),
      ],
      effects: Array.from(own, (effect) => scale * effect),
      deviations: Array.from(own, (_, code) => scale * deviationOf(draws.map((draw) => draw[start + code]!))),
      isCertain: own.length > 1 && effects[most]! - effects[least]! > threshold * contrast,
    };
  });
}

/** The share of the explained variance that each parameter's effects have over the trials. */
function sharesOf(effects: Float64Array, encoded: EncodedSpace, { finished }: TrialLedger): number[] {
  const variances = Array.from({ length: encoded.size }, (_, d) => {
    const chosen = finished.map(({ codes }) => {
      const code = codes[d]!;
      return code === INACTIVE ? 0 : effects[encoded.offset[d]! + code]!;
    });
    const mean = chosen.reduce((sum, effect) => sum + effect, 0) / Math.max(1, chosen.length);
    return chosen.reduce((sum, effect) => sum + (effect - mean) ** 2, 0) / Math.max(1, chosen.length);
  });
  const total = variances.reduce((sum, variance) => sum + variance, 0);
  return variances.map((variance) => (total > 0 ? variance / total : 0));
}

/** Root mean square: draws of the belief are taken without its mean. */
function deviationOf(draws: readonly number[]): number {
  return Math.sqrt(draws.reduce((sum, value) => sum + value ** 2, 0) / Math.max(1, draws.length));
}
