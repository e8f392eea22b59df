import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import {
  type Aggregator,
  type EstimatorType,
  isErrorType,
  isQuantile,
  type StatisticType,
} from "../../statistics/statistic-type.js";
import type { Granularity, Hardware, Mode, Scheme } from "../device/hardware.js";
import type { QuantizerGroup, QuantizerLayout } from "../graph/groups.js";
import {
  activationEstimator,
  DEFAULT_OUTLIER_PROB,
  type EstimatorPreset,
  type RangeEstimator,
  weightEstimator,
} from "./range-estimator.js";
import { fieldOf, schemeParameters } from "./scheme-choices.js";
import {
  baseScheme,
  deriveActivationSchemes,
  deriveWeightSchemes,
  distinct,
  type SchemeDerivation,
} from "./schemes.js";
import {
  overrideEstimator,
  pinnedEstimator,
  type TuningOptions,
  type TuningScope,
  tunedPresets,
} from "./tuning-options.js";

/** The statistics that each end can be estimated from (reference section 3.4). */
export const SIDE_TYPES: Readonly<Record<Side, readonly StatisticType[]>> = {
  min: ["min", "quantile"],
  max: ["max", "abs_max", "quantile", "abs_quantile"],
};

/**
 * The aggregators to choose from: the eight of reference section 3.4. Its ninth, `power_of_2`, widens a range up to
 * twofold; it is there where the user's own estimator has it.
 */
export const AGGREGATORS: readonly Aggregator[] = [
  "batch_mean",
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
    prefix,
    mode: `${prefix}/mode`,
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
  /** What every parameter starts from, those included that do not exist in the base. */
  readonly defaults: Configuration;
}

/** A field of a scheme that a tuning scope can hold. */
type SchemeField = keyof Scheme & TuningScope;

/** How the parameters of one tensor came about, step by step (reference sections 3.2 to 3.5). */
export interface TensorDerivation {
  readonly tensor: "activations" | "weights";
  readonly id: string;
  readonly schemes: SchemeDerivation;
  readonly base: Scheme;
  /** What the tuning scope lets vary, the base first. */
  readonly kept: readonly Scheme[];
  /** What it does not, with the fields in which it differs from the base and that are not in the scope. */
  readonly dropped: readonly { readonly scheme: Scheme; readonly outOfScope: readonly SchemeField[] }[];
  /** Where the range estimator of each mode starts from; what may be chosen instead is in `parameters`. */
  readonly estimators: readonly { readonly mode: Mode; readonly base: RangeEstimator }[];
  readonly parameters: readonly Parameter[];
}

/** How the part of one quantizer group in the space came about. */
export interface GroupDerivation extends TuningSpace {
  readonly group: string;
  readonly tensors: readonly TensorDerivation[];
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
  const groups = [...layout.groups.values()].map((group) => deriveGroup(group, layout, hardware, options));
  return {
    parameters: groups.flatMap(({ parameters }) => parameters),
    base: Object.assign({}, ...groups.map(({ base }) => base)),
    defaults: Object.assign({}, ...groups.map(({ defaults }) => defaults)),
  };
}

/** Every width that some configuration gives a tensor. */
export function reachableWidths(
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): ReadonlySet<Scheme["bits"]> {
  const groups = [...layout.groups.values()].map((group) => deriveGroup(group, layout, hardware, options));
  return new Set(
    groups.flatMap(({ tensors }) => tensors.flatMap(({ kept }) => kept.map(({ bits }) => bits))),
  );
}

/** The part of one group in `deriveSpace`, with the steps that lead to it. */
export function deriveGroup(
  group: QuantizerGroup,
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
): GroupDerivation {
  const space = new SpaceBuilder();
  let when: Condition | undefined;
  if (options.tuningScope.has("layer")) {
    const name = switchName(group.id);
    space.add({ name, group: group.id, kind: "categorical", choices: [true, false] });
    when = { parameter: name, in: [true] };
  }
  const tensors = [
    ...group.activations.map((id) => {
      const schemes = deriveActivationSchemes(layout.activations.get(id)!, layout, hardware, options);
      return addTensor(
        space,
        { tensor: "activations", id, group: group.id, hardware, options },
        schemes,
        when,
      );
    }),
    ...group.weights.map((id) => {
      const quantizer = layout.weights.get(id)!;
      const schemes = deriveWeightSchemes(quantizer, layout, hardware, options);
      return addTensor(space, { tensor: "weights", id, group: group.id, hardware, options }, schemes, when);
    }),
  ];
  const { parameters, base, defaults } = space;
  return { group: group.id, tensors, parameters, base, defaults };
}

/** Parameters in their order, and the base that they start from. */
class SpaceBuilder implements TuningSpace {
  readonly parameters: Parameter[] = [];
  readonly base: Record<string, Choice> = {};
  readonly defaults: Record<string, Choice> = {};

  /** @param start the base's value where the parameter is active in the base; the first choice when left out */
  add(parameter: Parameter, start: Choice = parameter.choices[0]!): void {
    this.parameters.push(parameter);
    const { name, when } = parameter;
    this.defaults[name] = start;
    if (when === undefined || when.in.includes(this.base[when.parameter] ?? "")) this.base[name] = start;
  }
}

/** Whose parameters are derived. */
interface TunedTensor {
  readonly tensor: "activations" | "weights";
  readonly id: string;
  readonly group: string;
  readonly hardware: Hardware;
  readonly options: TuningOptions;
}

function addTensor(
  space: SpaceBuilder,
  tuned: TunedTensor,
  schemes: SchemeDerivation,
  when: Condition | undefined,
): TensorDerivation {
  const { tensor, id, group, hardware, options } = tuned;
  const names = parameterNames(tensor, id);
  const first = space.parameters.length;
  const base = baseScheme(schemes.schemes, tensor, options, hardware);
  const { kept, dropped } = withinScope(schemes.schemes, base, options.tuningScope);
  for (const parameter of schemeParameters(names.prefix, kept, when)) {
    space.add({ ...parameter, group, family: familyOf(parameter.name, id), kind: "categorical" });
  }
  const modes = [...new Set(kept.map(({ mode }) => mode))];
  const estimators = modes.map((mode) => {
    const condition = modes.length > 1 ? { parameter: names.mode, in: [mode] } : when;
    const { granularity } = kept.find((scheme) => scheme.mode === mode)!;
    return { mode, base: addEstimator(space, tuned, { mode, granularity }, condition) };
  });
  const parameters = space.parameters.slice(first);
  return { tensor, id, schemes, base, kept, dropped, estimators, parameters };
}

/** A scheme varies with the scope if it differs from the base in nothing else (reference section 3.3). */
export function withinScope(
  schemes: readonly Scheme[],
  base: Scheme,
  scope: ReadonlySet<TuningScope>,
): Pick<TensorDerivation, "kept" | "dropped"> {
  const compared = schemes.map((scheme) => ({
    scheme,
    outOfScope: (["bits", "mode", "granularity", "codes"] as const).filter(
      (key) => fieldOf(scheme, key) !== fieldOf(base, key) && !scope.has(key),
    ),
  }));
  const kept = compared.flatMap(({ scheme, outOfScope }) => (outOfScope.length === 0 ? [scheme] : []));
  return {
    kept: distinct([base, ...kept]),
    dropped: compared.filter(({ outOfScope }) => outOfScope.length > 0),
  };
}

/**
 * The parameters of a range estimator in one mode (reference section 3.4); min and max vary independently. What the
 * user pins is where the base starts from, and what stands without range_estimator in the tuning scope.
 */
function addEstimator(
  space: SpaceBuilder,
  { tensor, id, group, options }: TunedTensor,
  { mode, granularity }: { readonly mode: Mode; readonly granularity: Granularity },
  when: Condition | undefined,
): RangeEstimator {
  const names = parameterNames(tensor, id);
  const scope = options.estimatorScope;
  const pinned = pinnedEstimator(options, tensor);
  const estimator = (preset: EstimatorPreset): RangeEstimator =>
    overrideEstimator(
      tensor === "weights" ? weightEstimator(preset, mode) : activationEstimator(preset, mode, granularity),
      pinned,
    );
  const presets = tunedPresets(options, tensor);
  const base = estimator(presets[0]!);
  if (!options.tuningScope.has("range_estimator")) return base;
  const sides: Side[] = base.min === undefined ? ["max"] : ["min", "max"];
  const choose = (name: string, choices: readonly Choice[], condition: Condition | undefined): void =>
    space.add({
      name,
      group,
      family: familyOf(name, id),
      kind: "categorical",
      choices,
      ...conditional(condition),
    });
  const chooseOutlierProb = (side: Side, condition: Condition | undefined): void => {
    if (!scope.has("outlier_prob") || options.outlierProbChoices.length === 0) return;
    const choices = [...new Set(options.outlierProbChoices)].sort((a, b) => a - b);
    const start = base[side]!.outlierProb ?? DEFAULT_OUTLIER_PROB;
    const name = names.outlierProb(mode, side);
    space.add(
      { name, group, family: familyOf(name, id), kind: "ordinal", choices, ...conditional(condition) },
      choices.includes(start) ? start : choices[0],
    );
  };
  const chooseAggregator = (side: Side, condition: Condition | undefined): void => {
    if (!scope.has("aggregator") || tensor === "weights") return;
    choose(names.aggregator(mode, side), [...new Set([base[side]!.aggregator!, ...AGGREGATORS])], condition);
  };
  const choosePreset = !scope.has("type") && presets.length > 1;
  if (choosePreset) choose(names.preset(mode), presets, when);
  const typesOf = (side: Side) => [...new Set([base[side]!.type, ...SIDE_TYPES[side]])];
  /** Calls `add` with the condition under which the side's type is one of those asked for, if it ever is. */
  const whereType = (
    side: Side,
    isAsked: (type: EstimatorType) => boolean,
    add: (side: Side, condition: Condition | undefined) => void,
  ): void => {
    const types = typesOf(side);
    const [parameter, all, asked]: [string, readonly string[], string[]] = scope.has("type")
      ? [names.type(mode, side), types, types.filter(isAsked)]
      : [names.preset(mode), presets, presets.filter((preset) => isAsked(estimator(preset)[side]!.type))];
    if (asked.length === all.length) add(side, when);
    else if (asked.length > 0) add(side, { parameter, in: asked });
  };
  for (const side of sides) {
    if (scope.has("type")) choose(names.type(mode, side), typesOf(side), when);
    whereType(side, isQuantile, chooseOutlierProb);
  }
  for (const side of sides) whereType(side, (type) => !isErrorType(type), chooseAggregator);
  return base;
}

/** What a parameter is of, whichever tensor it belongs to: the same question asked of many (`Parameter.family`). */
function familyOf(name: string, id: string): string {
  return name.slice(id.length + 1);
}

function conditional(when: Condition | undefined): { when?: Condition } {
  return when === undefined ? {} : { when };
}
