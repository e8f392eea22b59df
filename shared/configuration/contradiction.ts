import { findAlgorithm } from "../quantization/algorithms/algorithm-list.js";
import { isDeviceName, targetHardware } from "../quantization/device/hardware.js";
import { PROCESSOR_CLASSES } from "../runtime/processor-class.js";
import { ERROR_TYPES } from "../statistics/statistic-type.js";
import { jsonPath, type Problem } from "../validation/problem.js";
import { listed } from "../validation/requirement.js";
import {
  type AlgorithmConfiguration,
  isQuantizing,
  type PinnedQuantization,
  type QuantizingAlgorithm,
  type RangeEstimatorConfiguration,
} from "./compression-schema.js";
import type { DataSection, MetricConfiguration } from "./engine-schema.js";
import type { RunConfiguration } from "./schema.js";
import { tooManyRewritings } from "./tuned-algorithms.js";

/** The first contradiction between parts of a configuration; each value alone has been checked. */
export function findContradiction(configuration: RunConfiguration): Problem | undefined {
  for (const problem of contradictions(configuration)) return problem;
  return undefined;
}

function* contradictions(configuration: RunConfiguration): Generator<Problem> {
  const { engine, optimizer, compression } = configuration;
  yield* inData("engine.calibration", engine.calibration);
  yield* inData("engine.evaluation", engine.evaluation);
  yield* inData("engine.validation", engine.validation);
  if (engine.metric !== undefined && needsLabels(engine.metric)) {
    yield* missingLabels("engine.evaluation", engine.evaluation, engine.metric);
    yield* missingLabels("engine.validation", engine.validation, engine.metric);
  }
  const { objective, minimize } = optimizer.params;
  if (objective === "loss" && minimize === "size") {
    yield {
      path: "optimizer.params.minimize",
      message:
        'is "size", but objective "loss" is a formula of accuracy and latency; use objective "constrained" or remove minimize',
    };
  }
  yield* inAlgorithms(compression.algorithms);
  const tooMany = tooManyRewritings(compression.algorithms);
  if (tooMany !== undefined) yield tooMany;
  yield* impossiblePreset(compression);
  yield* saturationFixElsewhere(compression);
}

/** Target devices whose models may be run by kernels that saturate, on this machine or another. */
const MAY_SATURATE: ReadonlySet<string> = new Set(["ANY", "CPU", ...PROCESSOR_CLASSES]);

/**
 * Finds a saturation fix (weight codes with which x86 kernels cannot saturate) on a named target device that needs
 * none; a hardware file may describe an x86 processor, so it passes.
 */
function* saturationFixElsewhere({
  target_device,
  algorithms,
}: RunConfiguration["compression"]): Generator<Problem> {
  if (typeof target_device !== "string" || !isDeviceName(target_device)) return;
  if (MAY_SATURATE.has(target_device)) return;
  for (const [index, algorithm] of algorithms.entries()) {
    const fix = isQuantizing(algorithm) ? algorithm.params.saturation_fix : undefined;
    if (fix === undefined || fix === "auto" || fix === "no") continue;
    yield {
      path: `compression.algorithms[${index}].params.saturation_fix`,
      message: `is "${fix}", but the target device is ${target_device}, whose kernels do not saturate; use "no", or target device CPU`,
    };
  }
}

function* impossiblePreset({
  target_device,
  algorithms,
}: RunConfiguration["compression"]): Generator<Problem> {
  if (typeof target_device === "string" && !isDeviceName(target_device)) return;
  const { device, presets } = targetHardware(target_device);
  for (const [index, algorithm] of algorithms.entries()) {
    if (!isQuantizing(algorithm) || presets.includes(algorithm.params.preset)) continue;
    yield {
      path: `compression.algorithms[${index}].params.preset`,
      message: `is "${algorithm.params.preset}", which the target device ${device} cannot do; use ${listed(presets)}`,
    };
  }
}

function* inData(path: string, section: DataSection | undefined): Generator<Problem> {
  if (section === undefined) return;
  if ((section.inputs === undefined) === (section.images === undefined)) {
    const given = section.inputs === undefined ? "neither inputs nor images" : "both inputs and images";
    yield { path, message: `has ${given}, but must have one of the two` };
  }
  if (section.images === undefined && section.preprocess !== undefined) {
    yield {
      path: `${path}.preprocess`,
      message: "belongs to images, but there are none; give scale, mean and std in the inputs",
    };
  }
  if (section.images === undefined && section.rows !== undefined) {
    yield {
      path: `${path}.rows`,
      message: "belongs to images, but there are none; give rows in each of the inputs",
    };
  }
  if (section.images === undefined && section.labels?.data === "folders") {
    yield { path: `${path}.labels`, message: 'is "folders", which needs images; name a file of labels' };
  }
  if (section.images !== undefined && section.labels?.rows !== undefined) {
    yield {
      path: `${path}.labels.rows`,
      message: `has no meaning beside images, which bring their labels along; give rows of both as ${path}.rows`,
    };
  }
  for (const [name, input] of Object.entries(section.inputs ?? {})) {
    if (!("data" in input)) continue;
    yield* unevenChannels(jsonPath([...path.split("."), "inputs", name]), input.mean, input.std);
  }
  yield* unevenChannels(`${path}.preprocess`, section.preprocess?.mean, section.preprocess?.std);
}

function* unevenChannels(
  path: string,
  mean: readonly number[] = [],
  std: readonly number[] = [],
): Generator<Problem> {
  if (mean.length > 1 && std.length > 1 && mean.length !== std.length) {
    yield {
      path: `${path}.std`,
      message: `has ${std.length} values, but mean has ${mean.length}; give both one a channel`,
    };
  }
}

/**
 * Whether the metric requires labels. `mse`, `sqnr` and `cosine` work with or without; a metric module declares
 * whether it does.
 */
function needsLabels(metric: MetricConfiguration): boolean {
  switch (metric.name) {
    case "accuracy":
    case "f1":
    case "miou":
    case "text_accuracy":
    case "character_accuracy":
      return true;
    case "mse":
    case "sqnr":
    case "cosine":
    case "agreement":
    case "module":
    case undefined:
      return false;
  }
}

function* missingLabels(
  path: string,
  section: DataSection | undefined,
  metric: MetricConfiguration,
): Generator<Problem> {
  if (section !== undefined && section.labels === undefined) {
    yield {
      path: `${path}.labels`,
      message: `is missing, but metric ${metric.name} needs labels; name their file, or use metric agreement`,
    };
  }
}

function* inAlgorithms(algorithms: readonly AlgorithmConfiguration[]): Generator<Problem> {
  const path = "compression.algorithms";
  const quantizers = algorithms.filter(isQuantizing);
  if (quantizers.length !== 1) {
    const given =
      quantizers.length === 0 ? "no quantization" : quantizers.map(({ name }) => name).join(" and ");
    yield {
      path,
      message: `holds ${given}, but must hold one of TunableQuantization, MinMaxQuantization and DefaultQuantization`,
    };
  }
  const at = algorithms.findIndex(isQuantizing);
  const corrections = algorithms.filter(isBiasCorrection);
  if (corrections.length > 1) {
    yield {
      path,
      message: `holds ${corrections.map(({ name }) => name).join(" and ")}, but one bias correction replaces the other; keep one`,
    };
  }
  for (const [index, algorithm] of algorithms.entries()) {
    const place = `${path}[${index}]`;
    if (
      !isQuantizing(algorithm) &&
      quantizers[0]?.name === "DefaultQuantization" &&
      INCLUDED_IN_DEFAULT_QUANTIZATION.has(algorithm.name)
    ) {
      yield {
        path: place,
        message: `is ${algorithm.name}, which DefaultQuantization beside it already holds; remove it`,
      };
    }
    if (algorithms.findIndex(({ name }) => name === algorithm.name) !== index) {
      yield { path: place, message: `is ${algorithm.name} a second time; remove it` };
    }
    const misplaced = misplacement(algorithm, index, at);
    if (misplaced !== undefined) yield { path: place, message: `is ${algorithm.name} ${misplaced}` };
    const quantizer = algorithms[at];
    if (isBiasCorrection(algorithm) && quantizer !== undefined && isQuantizing(quantizer)) {
      yield* otherSamples(`${place}.params`, algorithm, quantizer);
    }
    if (isQuantizing(algorithm)) yield* inQuantizing(`${place}.params`, algorithm);
  }
}

const INCLUDED_IN_DEFAULT_QUANTIZATION: ReadonlySet<AlgorithmConfiguration["name"]> = new Set([
  "ActivationChannelAlignment",
  "FastBiasCorrection",
  "BiasCorrection",
]);

/**
 * What is wrong with an algorithm's place in the list relative to the quantization; `undefined` when it is right.
 *
 * @param at the index of the quantization in the list of algorithms
 */
function misplacement({ name }: AlgorithmConfiguration, index: number, at: number): string | undefined {
  const stage = findAlgorithm(name)?.stage;
  if (stage === "rewrite" && index > at)
    return "after the quantization, but it changes the float model; move it to the front";
  if (stage === "shift" && index < at)
    return "before the quantization, but it corrects what quantizing did; move it to the end";
  if (stage === "round" && index < at)
    return "before the quantization, but it rounds what that scales; move it behind it";
  return undefined;
}

type BiasCorrection = Extract<AlgorithmConfiguration, { name: "FastBiasCorrection" | "BiasCorrection" }>;

function isBiasCorrection(algorithm: AlgorithmConfiguration): algorithm is BiasCorrection {
  return algorithm.name === "FastBiasCorrection" || algorithm.name === "BiasCorrection";
}

/**
 * Finds settings by which a bias correction would use other samples than the quantization: the statistics of both
 * are gathered in one pass.
 */
function* otherSamples(
  path: string,
  { name, params: correction }: BiasCorrection,
  quantizer: QuantizingAlgorithm,
): Generator<Problem> {
  const { params } = quantizer;
  const { stat_subset_size, shuffle_data, seed } = correction;
  const differing = [
    ...(stat_subset_size !== undefined && stat_subset_size !== params.stat_subset_size
      ? ["stat_subset_size" as const]
      : []),
    ...(shuffle_data && !params.shuffle_data ? ["shuffle_data" as const] : []),
    ...(shuffle_data && seed !== params.seed ? ["seed" as const] : []),
  ];
  for (const key of differing) {
    yield {
      path: `${path}.${key}`,
      message: `is ${correction[key]}, but ${name} shares the pass over the samples of ${quantizer.name}; give both the same, or remove it here`,
    };
  }
}

function* inQuantizing(path: string, { name, params }: QuantizingAlgorithm): Generator<Problem> {
  if (
    name === "TunableQuantization" &&
    params.estimator_tuning_scope.includes("outlier_prob") &&
    params.outlier_prob_choices === undefined
  ) {
    yield {
      path: `${path}.outlier_prob_choices`,
      message:
        'is missing, but estimator_tuning_scope holds "outlier_prob"; list the probabilities, such as [1e-3, 1e-4, 1e-5]',
    };
  }
  yield* inPinned(path, params);
}

interface Pins {
  readonly weights?: PinnedQuantization | undefined;
  readonly activations?: PinnedQuantization | undefined;
  readonly range_estimator?: RangeEstimatorConfiguration | undefined;
}

/**
 * Finds a range whose two ends are to minimize different errors: such ends are searched together, so both must
 * minimize the same one.
 */
function* twoErrors(path: string, estimator: RangeEstimatorConfiguration | undefined): Generator<Problem> {
  const [min, max] = [estimator?.min?.type, estimator?.max?.type];
  const isError = (type: string | undefined) => ERROR_TYPES.some((error) => error === type);
  if (isError(min) && isError(max) && min !== max) {
    yield {
      path: `${path}.max.type`,
      message: `is "${max}", but min.type is "${min}" and one error decides both ends; give both the same`,
    };
  }
}

function* inPinned(path: string, pins: Pins): Generator<Problem> {
  yield* twoErrors(`${path}.range_estimator`, pins.range_estimator);
  for (const kind of ["weights", "activations"] as const) {
    const pinned = pins[kind];
    if (pinned === undefined) continue;
    yield* twoErrors(`${path}.${kind}.range_estimator`, pinned.range_estimator);
    const { bits, level_low, level_high } = pinned;
    if ((level_low === undefined) !== (level_high === undefined)) {
      const lacking = level_low === undefined ? "level_low" : "level_high";
      yield {
        path: `${path}.${kind}.${lacking}`,
        message: "is missing, but the other end of the levels is given; give both or neither",
      };
    }
    if (
      level_low !== undefined &&
      level_high !== undefined &&
      bits !== undefined &&
      level_high - level_low >= 2 ** bits
    ) {
      yield {
        path: `${path}.${kind}.level_high`,
        message: `is ${level_high}, but ${bits} bits hold ${2 ** bits} codes and level_low is ${level_low}; give at most ${level_low + 2 ** bits - 1}`,
      };
    }
  }
}
