import { COMPRESSION_WITHOUT_EFFECT } from "../quantization/algorithms/algorithm-parameters.js";
import { note, type RunWarning } from "../validation/warnings.js";
import { ENGINE_WITHOUT_EFFECT } from "./engine-schema.js";
import { BENCHMARK_WITHOUT_EFFECT, OPTIMIZER_WITHOUT_EFFECT } from "./optimizer-schema.js";
import type { RunConfiguration } from "./schema.js";

/** Keys of `optimizer.params` that are read only with objective `loss`. */
const OF_LOSS = [
  "accuracy_weight",
  "latency_weight",
  "expected_quantization_ratio",
  "quantization_ratio_weight",
];

/** Keys without effect, each with the value that describes what quantfleet does anyway, for which no note is needed. */
const DEFAULT_BEHAVIOUR: Readonly<Record<string, unknown>> = {
  performance_count: false,
  debug: false,
  inplace_statistics: true,
  dump_intermediate_model: false,
};

/**
 * Notes on the keys of a configuration that have no effect in it: POT's keys that quantfleet does not need,
 * and keys that are read only in combination with others.
 *
 * @param given the configuration as written, without defaults
 * @param file names it in messages
 */
export function notesOf(given: unknown, configuration: RunConfiguration, file?: string): RunWarning[] {
  return [...withoutEffect(given, configuration)].map(([path, reason]) =>
    note("no-effect", `${path}${file === undefined ? "" : ` in ${file}`} has no effect: ${reason}.`),
  );
}

function* withoutEffect(given: unknown, configuration: RunConfiguration): Generator<[string, string]> {
  const { optimizer, compression } = configuration;
  yield* listed(given, "engine", ENGINE_WITHOUT_EFFECT);
  yield* listed(given, "optimizer.params", OPTIMIZER_WITHOUT_EFFECT);
  yield* listed(given, "optimizer.params.benchmark", BENCHMARK_WITHOUT_EFFECT);
  yield* listed(given, "compression", COMPRESSION_WITHOUT_EFFECT);
  if (optimizer.params.objective !== "loss") {
    const reason = `only objective "loss" reads it, and this one is "${optimizer.params.objective}"`;
    yield* listed(given, "optimizer.params", Object.fromEntries(OF_LOSS.map((key) => [key, reason])));
  }
  for (const [index, algorithm] of compression.algorithms.entries()) {
    yield* listed(given, `compression.algorithms[${index}].params`, COMPRESSION_WITHOUT_EFFECT);
    if (algorithm.name !== "TunableQuantization") continue;
    const { tuning_scope, estimator_tuning_scope } = algorithm.params;
    const path = `compression.algorithms[${index}].params`;
    const tunesEstimators = tuning_scope.includes("range_estimator");
    const without = 'tuning_scope does not hold "range_estimator"';
    const reasonFor = (element: "preset" | "outlier_prob"): string | undefined => {
      if (!tunesEstimators) return without;
      return estimator_tuning_scope.includes(element)
        ? undefined
        : `estimator_tuning_scope does not hold "${element}"`;
    };
    yield* listed(given, path, {
      ...(tunesEstimators ? {} : { estimator_tuning_scope: without }),
      ...reasons("outlier_prob_choices", reasonFor("outlier_prob")),
      ...reasons("estimator_preset_choices", reasonFor("preset")),
    });
  }
}

function reasons(key: string, reason: string | undefined): Readonly<Record<string, string>> {
  return reason === undefined ? {} : { [key]: reason };
}

/**
 * Yields the path and the reason of each key given in the object at `path` that `known` has a reason for (why it
 * has no effect).
 */
function* listed(
  given: unknown,
  path: string,
  known: Readonly<Record<string, string>>,
): Generator<[string, string]> {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== "");
  const object = keys.reduce<unknown>((inner, key) => Object(inner)[key], given);
  for (const [key, reason] of Object.entries(known)) {
    const value: unknown = Object(object)[key];
    if (value === undefined || value === DEFAULT_BEHAVIOUR[key]) continue;
    if (!(Array.isArray(value) && value.length === 0)) yield [`${path}.${key}`, reason];
  }
}
