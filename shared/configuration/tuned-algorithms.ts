import {
  type CompanionName,
  rewritesFloatModel,
  type TunedCompanion,
} from "../quantization/space/algorithm-space.js";
import type { Problem } from "../validation/problem.js";
import type { AlgorithmConfiguration } from "./compression-schema.js";

/** Most rewritten forms of the float model in one search, because statistics are gathered for each. */
const MAX_REWRITINGS = 8;

/** What the configuration lets the search decide of the algorithms beside the quantization. */
export function tunedCompanions(algorithms: readonly AlgorithmConfiguration[]): TunedCompanion[] {
  return algorithms.flatMap(tunedCompanion);
}

function tunedCompanion(algorithm: AlgorithmConfiguration): TunedCompanion[] {
  switch (algorithm.name) {
    case "TunableQuantization":
    case "MinMaxQuantization":
    case "DefaultQuantization":
      return [];
    case "CrossLayerEqualization":
    case "ActivationChannelAlignment":
    case "AdaptiveRounding":
    case "WeightBiasCorrection":
      return tuned(algorithm.name, algorithm.params.tune);
    case "SmoothQuant": {
      const { tune, alpha, alpha_choices } = algorithm.params;
      return tuned(algorithm.name, tune, { key: "alpha", base: alpha, choices: alpha_choices });
    }
    case "FastBiasCorrection":
    case "BiasCorrection": {
      const { tune, threshold, threshold_choices } = algorithm.params;
      return tuned(algorithm.name, tune, { key: "threshold", base: threshold, choices: threshold_choices });
    }
  }
}

interface GivenSetting {
  readonly key: "alpha" | "threshold";
  readonly base: number;
  readonly choices: readonly number[] | undefined;
}

function tuned(name: CompanionName, tune: boolean | undefined, setting?: GivenSetting): TunedCompanion[] {
  const optional = tune === true;
  if (setting?.choices === undefined) return optional ? [{ name, optional }] : [];
  const { key, base } = setting;
  const choices = [...new Set([base, ...setting.choices])].sort((a, b) => a - b);
  return [{ name, optional, setting: { key, base, choices } }];
}

/**
 * The problem that the search could choose among more forms of the float model than allowed; `undefined`
 * otherwise.
 */
export function tooManyRewritings(algorithms: readonly AlgorithmConfiguration[]): Problem | undefined {
  const rewriting = tunedCompanions(algorithms).filter(rewritesFloatModel);
  const ways = rewriting.map(({ optional, setting }) => (setting?.choices.length ?? 1) + (optional ? 1 : 0));
  const forms = ways.reduce((product, count) => product * count, 1);
  if (forms <= MAX_REWRITINGS) return undefined;
  const counted = rewriting.map(({ name }, i) => `${name} ${ways[i]}`).join(", ");
  return {
    path: "compression.algorithms",
    message: `lets the search choose among ${forms} forms of the float model (${counted}), but statistics are gathered for each of them and at most ${MAX_REWRITINGS} are allowed; give fewer choices, or leave out a tune`,
  };
}
