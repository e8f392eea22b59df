import { normalQuantile } from "../numerics/normal.js";
import { createRandomStream } from "../numerics/random.js";
import { type EncodedSpace, encodeSpace, INACTIVE } from "../space/encoding.js";
import type { Space } from "../space/space.js";
import type { FinishedTrial } from "../trials/sampler.js";
import { TrialLedger } from "../trials/trial-ledger.js";
import { AdditiveEvidence } from "./additive-evidence.js";
import { EvidenceRows } from "./evidence-rows.js";

/** How much one parameter influences an outcome. */
export interface ParameterImportance {
  readonly name: string;
  readonly group: string;
  /** The parameter's share of the variance that main effects explain; shares sum to 1, or are all 0. */
  readonly share: number;
  /** 90 % credible interval of the parameter's share. */
  readonly interval: readonly [low: number, high: number];
  /**
   * Posterior mean effect of each choice, in the outcome's units and relative to the mean over the choices.
   */
  readonly effects: readonly number[];
  /** Posterior standard deviation of each effect, in the outcome's units. */
  readonly deviations: readonly number[];
  /**
   * Whether the effects of the parameter's best and worst choice differ significantly, corrected for the number
   * of comparisons (Bonferroni).
   */
  readonly isCertain: boolean;
}

/** Number of posterior draws from which uncertainties are estimated. */
const DRAWS = 128;
/** Probability that any parameter without influence is called certain (familywise error rate). */
const ERROR_RATE = 0.01;

/**
 * Importance of each parameter: the first-order terms of a functional analysis of variance (Hutter, Hoos and
 * Leyton-Brown, "An efficient approach for assessing hyperparameter importance", 2014), computed from the
 * additive Bayesian model of the search instead of a random forest. Interactions count as noise.
 *
 * @param outcome the explained quantity, such as the first value or the violation; failed trials are left out
 * @returns one entry per parameter, in the space's order
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
      // With much uncertainty, the share computed from the mean effects can lie outside the quantiles of the
      // draws; the interval includes it.
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

/** Each parameter's share of the variance over the finished trials that the effects explain. */
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

/** Standard deviation of draws that are deviations from the mean: their root mean square. */
function deviationOf(draws: readonly number[]): number {
  return Math.sqrt(draws.reduce((sum, value) => sum + value ** 2, 0) / Math.max(1, draws.length));
}
