import { findAlgorithm } from "../quantization/algorithms/algorithm-list.js";
import type { AlgorithmConfiguration } from "./compression-schema.js";
import type { RunConfiguration } from "./schema.js";

/**
 * The configuration with the tuning scopes of an earlier one added, so that every choice in the earlier
 * trials exists in the new search space and statistics are gathered for it. Algorithms that it does not list
 * are not added.
 */
export function withScopesOf(configuration: RunConfiguration, earlier: RunConfiguration): RunConfiguration {
  const algorithms = configuration.compression.algorithms.map((algorithm) => {
    const other = earlier.compression.algorithms.find(({ name }) => name === algorithm.name);
    return other === undefined ? algorithm : withTuningOf(algorithm, other);
  });
  return { ...configuration, compression: { ...configuration.compression, algorithms } };
}

/** Parameters of the quantization that list what the search may vary between trials. */
const LISTS = ["tuning_scope", "estimator_tuning_scope", "outlier_prob_choices"];

/**
 * An algorithm with the choices that the search had in an earlier configuration added to its own.
 *
 * @param other the algorithm of the same name in the earlier configuration
 */
function withTuningOf(own: AlgorithmConfiguration, other: AlgorithmConfiguration): AlgorithmConfiguration {
  if (own.name === "MinMaxQuantization" || own.name === "DefaultQuantization") return own;
  const [mine, theirs]: Readonly<Record<string, unknown>>[] = [own.params, other.params];
  const tuning: Record<string, unknown> = {};
  const merge = (name: string, ...further: unknown[]): void => {
    const given = [mine![name], theirs![name]].filter((list) => list !== undefined);
    // This configuration's choices come first and in their order, so that a list without anything new changes nothing.
    if (given.length > 0) tuning[name] = [...new Set([...given, further].flat())];
  };
  for (const name of LISTS) merge(name);
  const setting = findAlgorithm(own.name)?.tunedSetting;
  // An earlier run without choices used its fixed value in all trials, so that value is a choice too.
  if (setting !== undefined) merge(`${setting}_choices`, theirs![setting]);
  if (mine!.tune === true || theirs!.tune === true) tuning.tune = true;
  return { ...own, params: { ...own.params, ...tuning } } as AlgorithmConfiguration;
}
