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

/** The keys of an algorithm that say what the search varies, and the preset configuration's values of it. */
interface Tuning {
  readonly tuning_scope?: readonly string[];
  readonly estimator_tuning_scope?: readonly string[];
  readonly outlier_prob_choices?: readonly number[] | undefined;
  readonly tune?: boolean | undefined;
  readonly alpha?: number;
  readonly alpha_choices?: readonly number[] | undefined;
  readonly threshold?: number | undefined;
  readonly threshold_choices?: readonly number[] | undefined;
}

/** @param other the earlier parameters of the algorithm of the same name */
function withTuningOf(own: AlgorithmConfiguration, other: AlgorithmConfiguration): AlgorithmConfiguration {
  if (own.name === "MinMaxQuantization" || own.name === "DefaultQuantization") return own;
  const [mine, theirs]: [Tuning, Tuning] = [own.params, other.params as Tuning];
  const tuning: Tuning = {
    ...merged("tuning_scope", mine.tuning_scope, theirs.tuning_scope),
    ...merged("estimator_tuning_scope", mine.estimator_tuning_scope, theirs.estimator_tuning_scope),
    ...merged("outlier_prob_choices", mine.outlier_prob_choices, theirs.outlier_prob_choices),
    ...(mine.tune === true || theirs.tune === true ? { tune: true } : {}),
    ...mergedValues("alpha_choices", mine, theirs, theirs.alpha),
    ...mergedValues("threshold_choices", mine, theirs, theirs.threshold),
  };
  // Both algorithms have the same name, so the same keys and types.
  return { ...own, params: { ...own.params, ...tuning } } as AlgorithmConfiguration;
}

/** The union in the order of the first list, so that adding nothing new changes nothing. */
function merged<Key extends keyof Tuning, T>(
  key: Key,
  first: readonly T[] | undefined,
  second: readonly T[] | undefined,
): { [K in Key]?: T[] } {
  if (first === undefined && second === undefined) return {};
  return { [key]: [...new Set([...(first ?? []), ...(second ?? [])])] } as { [K in Key]?: T[] };
}

/** @param base value in all earlier trials when they had no choices */
function mergedValues(
  key: "alpha_choices" | "threshold_choices",
  mine: Tuning,
  theirs: Tuning,
  base: number | undefined,
): Tuning {
  if (mine[key] === undefined && theirs[key] === undefined) return {};
  return merged(key, mine[key], [...(theirs[key] ?? []), ...(base === undefined ? [] : [base])]);
}
