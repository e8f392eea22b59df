import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import {
  AGGREGATORS,
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

/**
 * The statistics from which each end of a range can be estimated (docs/reference/algorithms.md, "Tunable
 * parameters").
 */
export const SIDE_TYPES: Readonly<Record<Side, readonly StatisticType[]>> = {
  min: ["min", "quantile"],
  max: ["max", "abs_max", "quantile", "abs_quantile"],
};

/**
 * The aggregators (ways to combine a statistic's values of all samples) among which a search chooses.
 * `power_of_2`, which widens a range up to twofold, is a choice only where the configuration's own estimator
 * has it.
 */
export const SEARCHED_AGGREGATORS: readonly Aggregator[] = AGGREGATORS.filter(
  (name) => name !== "power_of_2",
);

/** Names of the search parameters of one tensor, as written to `trials.jsonl`. */
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

/** An end of a quantization range, lower or upper. */
export type Side = "min" | "max";

/** Name of the search parameter that decides whether a group (ops that are switched together) is quantized. */
export function switchName(group: string): string {
  return `${group}/quantize`;
}

/** The search space of a model, and the configuration from which the search starts. */
export interface TuningSpace {
  readonly parameters: readonly Parameter[];
  readonly base: Configuration;
  /** Default values of all parameters, including those that are inactive in the base. */
  readonly defaults: Configuration;
}

/** A field of a scheme that is also a tuning scope (a kind of choice that the options allow to vary). */
type SchemeField = keyof Scheme & TuningScope;

/**
 * How the search parameters of one tensor were derived, step by step (docs/reference/algorithms.md, "Tunable
 * parameters").
 */
export interface TensorDerivation {
  readonly tensor: "activations" | "weights";
  readonly id: string;
  readonly schemes: SchemeDerivation;
  readonly base: Scheme;
  /**
   * Schemes that the search may choose, as they differ from the base only within the tuning scope; the base
   * first.
   */
  readonly kept: readonly Scheme[];
  /**
   * Schemes that the search may not choose, each with the fields outside the tuning scope in which it differs
   * from the base.
   */
  readonly dropped: readonly { readonly scheme: Scheme; readonly outOfScope: readonly SchemeField[] }[];
  /** For each mode (symmetric, asymmetric) the range estimator of the base; alternatives are in `parameters`. */
  readonly estimators: readonly { readonly mode: Mode; readonly base: RangeEstimator }[];
  readonly parameters: readonly Parameter[];
}

/**
 * The part of the search space that belongs to one quantizer group (ops switched together), with its
 * derivation.
 */
export interface GroupDerivation extends TuningSpace {
  readonly group: string;
  readonly tensors: readonly TensorDerivation[];
}

type Condition = NonNullable<Parameter["when"]>;

/**
 * Derives the search space: for each quantizer group its switch (scope `layer`), then for each activation
 * quantizer and each weight the parameters that the target device supports within the tuning scope, the
 * base's choice first (docs/reference/algorithms.md, "Tunable parameters").
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

/**
 * All bit widths that activations or weights (`kind`; both when left out) have in any configuration of the
 * search space.
 */
export function reachableWidths(
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
  kind?: TensorDerivation["tensor"],
): ReadonlySet<Scheme["bits"]> {
  const tensors = [...layout.groups.values()]
    .flatMap((group) => deriveGroup(group, layout, hardware, options).tensors)
    .filter(({ tensor }) => kind === undefined || tensor === kind);
  return new Set(tensors.flatMap(({ kept }) => kept.map(({ bits }) => bits)));
}

/** The part of the search space ({@link deriveSpace}) of one group, with the steps of its derivation. */
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

/** Collects search parameters in order, and their start values. */
class SpaceBuilder implements TuningSpace {
  readonly parameters: Parameter[] = [];
  readonly base: Record<string, Choice> = {};
  readonly defaults: Record<string, Choice> = {};

  /**
   * @param start the parameter's default, which the base takes where the parameter is active in it; the first
   *   choice when left out
   */
  add(parameter: Parameter, start: Choice = parameter.choices[0]!): void {
    this.parameters.push(parameter);
    const { name, when } = parameter;
    this.defaults[name] = start;
    if (when === undefined || when.in.includes(this.base[when.parameter] ?? "")) this.base[name] = start;
  }
}

/** The tensor whose search parameters are derived. */
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

/**
 * Divides schemes by the tuning scope (the kinds of choices that may vary): a scheme is kept if it differs from
 * the base only in fields of the scope.
 */
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
 * Adds the search parameters of a tensor's range estimator in one mode; min and max vary independently. Values
 * that the configuration pins are the base's values; they are fixed where the tuning scope does not contain
 * `range_estimator`.
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
    choose(
      names.aggregator(mode, side),
      [...new Set([base[side]!.aggregator!, ...SEARCHED_AGGREGATORS])],
      condition,
    );
  };
  const choosePreset = !scope.has("type") && presets.length > 1;
  if (choosePreset) choose(names.preset(mode), presets, when);
  const typesOf = (side: Side) => [...new Set([base[side]!.type, ...SIDE_TYPES[side]])];
  /** Calls `add` with the condition under which the side's type satisfies `isAsked`, if there is any. */
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

/** The family of a parameter (`Parameter.family`): its name without the tensor's id. */
function familyOf(name: string, id: string): string {
  return name.slice(id.length + 1);
}

function conditional(when: Condition | undefined): { when?: Condition } {
  return when === undefined ? {} : { when };
}
