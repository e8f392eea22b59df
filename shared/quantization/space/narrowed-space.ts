import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import { companionSpace, type TunedCompanion } from "./algorithm-space.js";
import type { TuningSpace } from "./space.js";
import type { EstimatorScope, TuningOptions, TuningScope } from "./tuning-options.js";

/**
 * The tuning scope of a parameter by the last part of its name (`parameterNames`, `switchName`,
 * `companionSpace`).
 */
const SCOPE_OF: Readonly<Record<string, TuningScope | EstimatorScope | "companion">> = {
  apply: "companion",
  alpha: "companion",
  threshold: "companion",
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
 * Restricts a space to a narrower tuning scope around a configuration: parameters in the options' scopes and
 * of the tuned companions may vary, and every other parameter keeps the configuration's value as its only
 * choice. Unlike in POT, groups that the configuration leaves in float may be quantized again in any scope
 * (docs/reference/algorithms.md, "Differences from POT").
 *
 * @param space the space with all scopes in which `center` was found
 * @param center a configuration of `space`, the new base
 * @param tuned the companions that the search decides about
 */
export function narrowSpace(
  space: TuningSpace,
  center: Configuration,
  options: TuningOptions,
  tuned: readonly TunedCompanion[] = [],
): TuningSpace {
  const ofCompanions = new Map(
    companionSpace(tuned).parameters.map((parameter) => [parameter.name, parameter.choices]),
  );
  const remaining = new Map<string, readonly Choice[]>();
  const parameters: Parameter[] = [];
  for (const parameter of space.parameters) {
    const when = narrowCondition(parameter.when, remaining);
    // The parent can no longer take a value at which the parameter is active.
    if (parameter.when !== undefined && when === undefined) continue;
    const { name } = parameter;
    const value = center[name] ?? space.defaults[name]!;
    const choices =
      scopeOf(name) === "companion"
        ? parameter.choices.filter((choice) => choice === value || ofCompanions.get(name)?.includes(choice))
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
  if (scope !== undefined && scope !== "companion" && !isInScope(scope, options)) return [value];
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
