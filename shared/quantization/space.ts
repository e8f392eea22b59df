import type { Choice, Configuration, Parameter } from "../search/space.js";
import type { QuantizerLayout } from "./groups.js";
import type { Hardware, Mode, Scheme } from "./hardware.js";
import {
  type Aggregator,
  activationEstimator,
  isQuantile,
  type RangeEstimator,
  type StatisticType,
  weightEstimator,
} from "./range-estimator.js";
import { activationSchemes, baseScheme, weightSchemes } from "./schemes.js";
import type { TuningOptions } from "./tuning-options.js";

/** The statistics that each end can be estimated from (reference section 3.4). */
export const MIN_TYPES: readonly StatisticType[] = ["min", "quantile"];
export const MAX_TYPES: readonly StatisticType[] = ["max", "abs_max", "quantile", "abs_quantile"];

export const AGGREGATORS: readonly Aggregator[] = [
  "mean",
  "max",
  "min",
  "median",
  "mean_no_outliers",
  "median_no_outliers",
  "hl_estimator",
];

/** The names of the parameters of one tensor; what `trials.jsonl` shows. */
export function parameterNames(tensor: "activations" | "weights", id: string) {
  const prefix = `${id}/${tensor}`;
  const estimator = (mode: Mode, field: string) => `${prefix}/${mode}/${field}`;
  return {
    bits: `${prefix}/bits`,
    mode: `${prefix}/mode`,
    granularity: `${prefix}/granularity`,
    preset: (mode: Mode) => estimator(mode, "preset"),
    type: (mode: Mode, side: Side) => estimator(mode, `${side}.type`),
    outlierProb: (mode: Mode, side: Side) => estimator(mode, `${side}.outlier_prob`),
    aggregator: (mode: Mode, side: Side) => estimator(mode, `${side}.aggregator`),
  };
}

export type Side = "min" | "max";

export function switchName(group: string): string {
  return `${group}/quantize`;
}

/** What can be chosen for a model, and the configuration that the search starts from. */
export interface TuningSpace {
  readonly parameters: readonly Parameter[];
  readonly base: Configuration;
}

type Condition = NonNullable<Parameter["when"]>;

/**
 * Derives the parameters of every quantizer group: those of its switch (scope `layer`), then apart for each
 * activation quantizer and each weight what the target device supports within the scope, the base's choice
 * first (reference sections 3.2 to 3.5, with the first table's changes).
 */
export function deriveSpace(
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): TuningSpace {
  const parameters: Parameter[] = [];
  for (const group of layout.groups.values()) {
    let when: Condition | undefined;
    if (options.tuningScope.has("layer")) {
      parameters.push({
        name: switchName(group.id),
        group: group.id,
        kind: "categorical",
        choices: [true, false],
      });
      when = { parameter: switchName(group.id), in: [true] };
    }
    for (const id of group.activations) {
      const schemes = activationSchemes(layout.activations.get(id)!, layout, hardware, options);
      parameters.push(...tensorParameters("activations", id, group.id, schemes, options, when));
    }
    for (const id of group.weights) {
      const schemes = weightSchemes(layout.weights.get(id)!, layout, hardware, options);
      parameters.push(...tensorParameters("weights", id, group.id, schemes, options, when));
    }
  }
  return { parameters, base: firstChoices(parameters) };
}

/** The first choice of every parameter that is active then. */
function firstChoices(parameters: readonly Parameter[]): Configuration {
  const base: Record<string, Choice> = {};
  for (const { name, choices, when } of parameters) {
    if (when === undefined || (when.parameter in base && when.in.includes(base[when.parameter]!))) {
      base[name] = choices[0]!;
    }
  }
  return base;
}

function tensorParameters(
  tensor: "activations" | "weights",
  id: string,
  group: string,
  schemes: readonly Scheme[],
  options: TuningOptions,
  when: Condition | undefined,
): Parameter[] {
  const names = parameterNames(tensor, id);
  const base = baseScheme(schemes, tensor, options.preset);
  const parameters: Parameter[] = [];
  const choose = (name: string, choices: readonly Choice[], condition = when): void => {
    if (choices.length < 2) return;
    parameters.push({
      name,
      group,
      kind: "categorical",
      choices,
      ...(condition === undefined ? {} : { when: condition }),
    });
  };
  const field = <K extends "bits" | "mode" | "granularity">(key: K): Scheme[K][] =>
    options.tuningScope.has(key)
      ? [...new Set([base[key], ...schemes.map((scheme) => scheme[key])])]
      : [base[key]];
  choose(names.bits, field("bits"));
  choose(names.granularity, field("granularity"));
  const modes = field("mode");
  choose(names.mode, modes);
  if (options.tuningScope.has("range_estimator")) {
    for (const mode of modes) {
      const condition = modes.length > 1 ? { parameter: names.mode, in: [mode] } : when;
      parameters.push(...estimatorParameters(tensor, names, group, mode, options, condition));
    }
  }
  return parameters;
}

/** The parameters of a range estimator in one mode (reference section 3.4); min and max vary independently. */
function estimatorParameters(
  tensor: "activations" | "weights",
  names: ReturnType<typeof parameterNames>,
  group: string,
  mode: Mode,
  options: TuningOptions,
  when: Condition | undefined,
): Parameter[] {
  const scope = options.estimatorScope;
  const parameters: Parameter[] = [];
  const push = (parameter: Omit<Parameter, "group">): void => {
    parameters.push({ ...parameter, group });
  };
  const conditional = (condition: Condition | undefined) =>
    condition === undefined ? {} : { when: condition };
  const sides: Side[] = tensor === "weights" && mode === "symmetric" ? ["max"] : ["min", "max"];
  const preset = (name: "default" | "quantile"): RangeEstimator =>
    tensor === "weights" ? weightEstimator(name, mode) : activationEstimator(name, mode, "pertensor");
  const outlierProb = (side: Side, condition: Condition): void => {
    if (!scope.has("outlier_prob") || options.outlierProbChoices.length === 0) return;
    const choices = [...new Set(options.outlierProbChoices)].sort((a, b) => a - b);
    push({ name: names.outlierProb(mode, side), kind: "ordinal", choices, when: condition });
  };
  if (scope.has("type")) {
    for (const side of sides) {
      const base = preset("default")[side]!.type;
      const types = [...new Set([base, ...(side === "min" ? MIN_TYPES : MAX_TYPES)])];
      push({ name: names.type(mode, side), kind: "categorical", choices: types, ...conditional(when) });
      outlierProb(side, { parameter: names.type(mode, side), in: types.filter(isQuantile) });
    }
  } else if (scope.has("preset")) {
    push({
      name: names.preset(mode),
      kind: "categorical",
      choices: ["default", "quantile"],
      ...conditional(when),
    });
    for (const side of sides) {
      if (isQuantile(preset("quantile")[side]!.type)) {
        outlierProb(side, { parameter: names.preset(mode), in: ["quantile"] });
      }
    }
  }
  if (scope.has("aggregator") && tensor === "activations") {
    for (const side of sides) {
      const base = preset("default")[side]!.aggregator!;
      const choices = [...new Set([base, ...AGGREGATORS])];
      push({ name: names.aggregator(mode, side), kind: "categorical", choices, ...conditional(when) });
    }
  }
  return parameters;
}
