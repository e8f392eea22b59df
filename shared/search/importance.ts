import { AdditiveEvidence } from "./additive-evidence.js";
import { encodeSpace, INACTIVE } from "./encoding.js";
import { EvidenceRows } from "./evidence-rows.js";
import type { FinishedTrial } from "./sampler.js";
import type { Space } from "./space.js";
import { TrialLedger } from "./trial-ledger.js";

/** How much one parameter moved an outcome. */
export interface ParameterImportance {
  readonly name: string;
  readonly group: string;
  /** Share of the variance that all parameters explain alone; the shares add up to one, or are all 0. */
  readonly share: number;
  /** Mean effect of each choice on the outcome, in its own units and relative to the parameter's mean choice. */
  readonly effects: readonly number[];
}

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
  const { effects, scale } = new AdditiveEvidence(new EvidenceRows(ledger), { of: outcome }, 0).mean();
  const variances = space.map((_, d) => {
    const chosen: number[] = [];
    for (const { codes } of ledger.finished) {
      const code = codes[d]!;
      chosen.push(code === INACTIVE ? 0 : effects[encoded.offset[d]! + code]!);
    }
    const mean = chosen.reduce((sum, effect) => sum + effect, 0) / Math.max(1, chosen.length);
    return chosen.reduce((sum, effect) => sum + (effect - mean) ** 2, 0) / Math.max(1, chosen.length);
  });
  const total = variances.reduce((sum, variance) => sum + variance, 0);
  return space.map(({ name, group }, d) => ({
    name,
    group,
    share: total > 0 ? variances[d]! / total : 0,
    effects: Array.from(
      effects.subarray(encoded.offset[d]!, encoded.offset[d + 1]!),
      (effect) => scale * effect,
    ),
  }));
}
