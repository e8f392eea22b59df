import type { Choice, Configuration } from "../../search/space/space.js";
import {
  type Aggregator,
  type EstimatorType,
  isErrorType,
  isQuantile,
  type SideEstimator,
} from "../../statistics/statistic-type.js";
import type { Hardware, Scheme } from "../device/hardware.js";
import type { QuantizerLayout } from "../graph/groups.js";
import {
  activationEstimator,
  DEFAULT_OUTLIER_PROB,
  type EstimatorPreset,
  type RangeEstimator,
  weightEstimator,
} from "./range-estimator.js";
import { chosenScheme } from "./scheme-choices.js";
import { activationSchemes, baseScheme, weightSchemes } from "./schemes.js";
import { parameterNames, type Side, switchName, withinScope } from "./space.js";
import { overrideEstimator, pinnedEstimator, type TuningOptions } from "./tuning-options.js";

/** How one tensor is quantized: its scheme (codes, mode, granularity) and range estimator. */
export interface TensorPlan extends Scheme {
  readonly estimator: RangeEstimator;
}

/** What a configuration means for a model: which ops are quantized, and how each of their tensors is. */
export interface QuantizationPlan {
  /** Keys (names of the first outputs) of the ops that are quantized. */
  readonly ops: ReadonlySet<string>;
  /** Plans of the activation quantizers that quantized ops need, by the quantizer's id. */
  readonly activations: ReadonlyMap<string, TensorPlan>;
  readonly weights: ReadonlyMap<string, TensorPlan>;
}

/**
 * Derives the quantization plan that a configuration means. An op is quantized if the groups (ops switched
 * together) of all its inputs are switched on and, where its kernel needs a quantized output, the group of its
 * output as well.
 */
export function planQuantization(
  layout: QuantizerLayout,
  hardware: Hardware,
  options: TuningOptions,
  configuration: Configuration,
): QuantizationPlan {
  const isOn = (quantizer: string): boolean =>
    configuration[switchName(layout.groupOf.get(quantizer)!)] !== false;
  const ops = new Set<string>();
  const used = new Set<string>();
  const weights = new Map<string, TensorPlan>();
  for (const op of layout.ops.values()) {
    const inputs = op.activations.map((i) => layout.quantizerOf.get(op.node.input[i]!)!);
    const output = op.kernel === "integer output" ? [layout.quantizerOf.get(op.output)!] : [];
    const needed = [...inputs, ...output];
    if (!needed.every(isOn)) continue;
    ops.add(op.key);
    for (const quantizer of needed) used.add(quantizer);
    const weight = op.weight?.initializer;
    if (weight !== undefined && !weights.has(weight)) {
      const quantizer = layout.weights.get(weight)!;
      const schemes = weightSchemes(quantizer, layout, hardware, options);
      weights.set(weight, tensorPlan("weights", weight, schemes, hardware, options, configuration));
    }
  }
  const activations = new Map<string, TensorPlan>();
  for (const quantizer of layout.activations.values()) {
    if (!used.has(quantizer.id)) continue;
    const schemes = activationSchemes(quantizer, layout, hardware, options);
    activations.set(
      quantizer.id,
      tensorPlan("activations", quantizer.id, schemes, hardware, options, configuration),
    );
  }
  return { ops, activations, weights };
}

function tensorPlan(
  tensor: "activations" | "weights",
  id: string,
  schemes: readonly Scheme[],
  hardware: Hardware,
  options: TuningOptions,
  configuration: Configuration,
): TensorPlan {
  const names = parameterNames(tensor, id);
  const base = baseScheme(schemes, tensor, options, hardware);
  const { kept } = withinScope(schemes, base, options.tuningScope);
  const scheme = chosenScheme(names.prefix, kept, configuration);
  const { mode, granularity } = scheme;
  const overrides = pinnedEstimator(options, tensor);
  const preset =
    (configuration[names.preset(mode)] as EstimatorPreset | undefined) ?? overrides?.preset ?? "default";
  const estimator = overrideEstimator(
    tensor === "weights" ? weightEstimator(preset, mode) : activationEstimator(preset, mode, granularity),
    overrides,
  );
  const chosen = (side: Side, estimate: SideEstimator): SideEstimator => {
    const choice = (name: string): Choice | undefined => configuration[name];
    const type = (choice(names.type(mode, side)) as EstimatorType | undefined) ?? estimate.type;
    const outlierProb =
      (choice(names.outlierProb(mode, side)) as number | undefined) ??
      estimate.outlierProb ??
      DEFAULT_OUTLIER_PROB;
    const aggregator =
      (choice(names.aggregator(mode, side)) as Aggregator | undefined) ?? estimate.aggregator;
    return {
      type,
      ...(aggregator === undefined || isErrorType(type) ? {} : { aggregator }),
      ...(isQuantile(type) ? { outlierProb } : {}),
      ...(estimate.clippingValue === undefined ? {} : { clippingValue: estimate.clippingValue }),
    };
  };
  return {
    ...scheme,
    estimator: {
      ...(estimator.min === undefined ? {} : { min: chosen("min", estimator.min) }),
      max: chosen("max", estimator.max),
    },
  };
}
