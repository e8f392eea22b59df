import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import { algorithmSpace, type TunedAlgorithm } from "./algorithm-space.js";
import type { TuningSpace } from "./space.js";
import type { EstimatorScope, TuningOptions, TuningScope } from "./tuning-options.js";

/**
 * The tuning scope (kind of choice that the options allow to vary) of a quantizer group's parameter, by the
 * last word of its name; parameters of algorithms end otherwise.
 */
const SCOPE_OF: Readonly<Record<string, TuningScope | EstimatorScope>> = {
  quantize: "layer",
  bits: "bits",
  mode: "mode",
  granularity: "granularity",
  codes: "codes",
  preset: "preset",
  type: "type",
  outlier_prob: "outlier_prob",
  aggregator: "aggregator",
};

const ESTIMATOR_SCOPES: ReadonlySet<string> = new Set<EstimatorScope>([
  "preset",
  "type",
  "outlier_prob",
  "aggregator",
]);

/**
 * The space around a configuration that an earlier run led to. Two kinds of parameters may vary: those in the tuning
 * scopes of this run's options, and those of the tuned algorithms. Every other parameter keeps the configuration's value
 * as its only choice. Unlike in OpenVINO's POT, a group (tensors that share a quantizer choice) that is left in float can
 * be quantized again, whatever the scopes.
 *
 * @param space of the scopes of both runs together
 * @param center a configuration of `space`, the new base
 * @param options with the tuning scopes of this run
 * @param tuned the algorithms that this run tunes
 */
export function narrowSpace(
  space: TuningSpace,
  center: Configuration,
  options: TuningOptions,
  tuned: readonly TunedAlgorithm[] = [],
): TuningSpace {
  const ofAlgorithms = new Map(
    algorithmSpace(tuned).parameters.map((parameter) => [parameter.name, parameter.choices]),
  );
  const remaining = new Map<string, readonly Choice[]>();
  const parameters: Parameter[] = [];
  for (const parameter of space.parameters) {
    const when = narrowCondition(parameter.when, remaining);
    // This parameter is dropped: the one it depends on can never take a value under which it exists.
    if (parameter.when !== undefined && when === undefined) continue;
    const { name } = parameter;
    const value = center[name] ?? space.defaults[name]!;
    const choices =
      scopeOf(name) === undefined
        ? parameter.choices.filter((choice) => choice === value || ofAlgorithms.get(name)?.includes(choice))
        : remainingChoices(parameter, value, options);
    remaining.set(name, choices);
    parameters.push({ ...parameter, choices, ...(when === undefined ? {} : { when }) });
  }
  return { parameters, base: center, defaults: { ...space.defaults, ...center } };
}

function narrowCondition(
  when: Parameter["when"],
  remaining: ReadonlyMap<string, readonly Choice[]>,
): Parameter["when"] | undefined {
  if (when === undefined) return undefined;
  const choices = remaining.get(when.parameter) ?? [];
  const values = when.in.filter((value) => choices.includes(value));
  return values.length === 0 ? undefined : { ...when, in: values };
}

function remainingChoices(
  { name, choices }: Parameter,
  value: Choice,
  options: TuningOptions,
): readonly Choice[] {
  const scope = scopeOf(name);
  if (scope === "layer" && value === false) return choices;
  if (scope !== undefined && !isInScope(scope, options)) return [value];
  if (scope !== "outlier_prob") return choices;
  return choices.filter(
    (choice) => choice === value || options.outlierProbChoices.includes(choice as number),
  );
}

function scopeOf(name: string): (typeof SCOPE_OF)[string] | undefined {
  return SCOPE_OF[name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf(".")) + 1)];
}

function isInScope(scope: TuningScope | EstimatorScope, options: TuningOptions): boolean {
  if (!ESTIMATOR_SCOPES.has(scope)) return options.tuningScope.has(scope as TuningScope);
  return options.tuningScope.has("range_estimator") && options.estimatorScope.has(scope as EstimatorScope);
}
