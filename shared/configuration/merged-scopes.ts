import type { AlgorithmConfiguration } from "./compression-schema.js";
import type { RunConfiguration } from "./schema.js";

/**
 * The configuration with what an earlier one tuned besides its own, so that every choice that the earlier one's trials
 * made has a name here, and statistics are gathered for it. Algorithms that it does not list are not added.
 */
export function withScopesOf(configuration: RunConfiguration, earlier: RunConfiguration): RunConfiguration {
  const algorithms = configuration.compression.algorithms.map((algorithm) => {
    const other = earlier.compression.algorithms.find(({ name }) => name === algorithm.name);
    return other === undefined ? algorithm : withTuningOf(algorithm, other);
  });
  return { ...configuration, compression: { ...configuration.compression, algorithms } };
}

/** What of an algorithm differs between trials, and the base's values of what can. */
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

/** @param other of the same name */
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
  // Of one name, both have the same keys, of the same kinds.
  return { ...own, params: { ...own.params, ...tuning } } as AlgorithmConfiguration;
}

/** In the order of the first, so that what adds nothing changes nothing. */
function merged<Key extends keyof Tuning, T>(
  key: Key,
  first: readonly T[] | undefined,
  second: readonly T[] | undefined,
): { [K in Key]?: T[] } {
  if (first === undefined && second === undefined) return {};
  return { [key]: [...new Set([...(first ?? []), ...(second ?? [])])] } as { [K in Key]?: T[] };
}

/** @param base the earlier trials' value where they had no choice */
function mergedValues(
  key: "alpha_choices" | "threshold_choices",
  mine: Tuning,
  theirs: Tuning,
  base: number | undefined,
): Tuning {
  if (mine[key] === undefined && theirs[key] === undefined) return {};
  return merged(key, mine[key], [...(theirs[key] ?? []), ...(base === undefined ? [] : [base])]);
}
