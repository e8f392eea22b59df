import type { AlgorithmConfiguration } from "./compression-schema.js";
import type { RunConfiguration } from "./schema.js";

type Tunable = Extract<AlgorithmConfiguration, { name: "TunableQuantization" }>;

/**
 * The configuration with the tuning scopes of an earlier one besides its own, so that every choice that the earlier
 * one's trials made has a name here, and statistics are gathered for it.
 */
export function withScopesOf(configuration: RunConfiguration, earlier: RunConfiguration): RunConfiguration {
  const other = earlier.compression.algorithms.find(isTunable)?.params;
  if (other === undefined) return configuration;
  const algorithms = configuration.compression.algorithms.map((algorithm) => {
    if (!isTunable(algorithm)) return algorithm;
    const { params } = algorithm;
    const estimators = union(params.estimator_tuning_scope, other.estimator_tuning_scope);
    const probabilities = union(params.outlier_prob_choices, other.outlier_prob_choices);
    return {
      ...algorithm,
      params: {
        ...params,
        tuning_scope: union(params.tuning_scope, other.tuning_scope) ?? [],
        ...(estimators === undefined ? {} : { estimator_tuning_scope: estimators }),
        ...(probabilities === undefined ? {} : { outlier_prob_choices: probabilities }),
      },
    };
  });
  return { ...configuration, compression: { ...configuration.compression, algorithms } };
}

function isTunable(algorithm: AlgorithmConfiguration): algorithm is Tunable {
  return algorithm.name === "TunableQuantization";
}

/** In the order of the first, so that what adds nothing changes nothing. */
function union<T>(first: readonly T[] | undefined, second: readonly T[] | undefined): T[] | undefined {
  if (first === undefined && second === undefined) return undefined;
  return [...new Set([...(first ?? []), ...(second ?? [])])];
}
