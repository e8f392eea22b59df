import { ConfigurationError, ModelError } from "../../basics/errors.js";
import type { QuantizationSettings } from "../../configuration/quantization-settings.js";
import { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { LiftTarget } from "../../onnx/lift/opset.js";
import { opsetVersion } from "../../onnx/model/codec.js";
import {
  adjustingAlgorithms,
  type ConfiguredAlgorithm,
  type LaidOutModel,
} from "../../quantization/algorithms/algorithm.js";
import { opsetOf } from "../../quantization/device/code-types.js";
import { type Hardware, type PresetName, targetHardware } from "../../quantization/device/hardware.js";
import { layOutQuantizers, type QuantizerLayout } from "../../quantization/graph/groups.js";
import { findNodesInFloat } from "../../quantization/graph/ignored/nodes-in-float.js";
import type { OperandView } from "../../quantization/graph/quantizable-ops.js";
import { withSaturationFix } from "../../quantization/graph/saturation-fix.js";
import { algorithmSpace, type TunedAlgorithm } from "../../quantization/space/algorithm-space.js";
import { deriveSpace, reachableWidths, type TuningSpace } from "../../quantization/space/space.js";
import { requiredStatistics } from "../../quantization/space/statistics-requirement.js";
import type { ContentFolder } from "../../run/store/content-cache.js";
import { mergeRequirements, type StatisticsRequirement } from "../../statistics/requirement.js";
import { listed } from "../../validation/requirement.js";
import { type PreparedModel, prepareModelFile } from "./prepare-model.js";
import { openPreparedModel } from "./prepared-model-cache.js";

/**
 * A model with its quantizers, search space and required calibration statistics, before any sample is seen.
 */
export interface Subject {
  readonly prepared: PreparedModel;
  readonly settings: QuantizationSettings;
  readonly hardware: Hardware;
  readonly view: OperandView;
  readonly layout: QuantizerLayout;
  /** The parameters that configurations choose: of algorithms first, then of each quantizer group. */
  readonly space: TuningSpace;
  /** The tuned algorithms that have an effect on the model: those with parameters in the space. */
  readonly tunedAlgorithms: readonly TunedAlgorithm[];
  readonly statistics: StatisticsRequirement;
}

/**
 * Reads and prepares the model at `path`, in operator set 21 where codes of other than 8 bits may be chosen.
 *
 * @param contents keeps prepared models for later processes
 * @throws {ModelError} when it is no float ONNX model that ONNX Runtime loads, cannot be lifted to that operator
 * set, or the target device cannot quantize it as asked
 */
export async function openSubject(
  path: string,
  settings: QuantizationSettings,
  contents?: ContentFolder,
): Promise<Subject> {
  const prepare = (opset: LiftTarget): Promise<PreparedModel> =>
    contents === undefined ? prepareModelFile(path, opset) : openPreparedModel(path, opset, contents);
  const subject = makeSubject(await prepare(13), settings);
  const { layout, hardware, prepared } = subject;
  const opset = opsetOf(reachableWidths(layout, hardware, settings.options));
  if (opsetVersion(prepared.model) >= opset) return subject;
  return makeSubject(await prepare(opset), settings);
}

/**
 * Checks that the target device supports the configured preset.
 *
 * @throws {ConfigurationError} when the target device, by its hardware file, does not support the preset
 */
function requirePreset({ device, presets }: Hardware, preset: PresetName): void {
  if (presets.includes(preset)) return;
  throw new ConfigurationError(
    `The preset is "${preset}", which the target device ${device} cannot do; use ${listed(presets)}.`,
    "compression.algorithms",
  );
}

/**
 * Derives the quantizers, search space and required statistics of a prepared model.
 *
 * @param saturationFixed keys of ops to whose weights the saturation fix `first_layer` applies as well
 */
export function makeSubject(
  prepared: PreparedModel,
  settings: QuantizationSettings,
  saturationFixed?: ReadonlySet<string>,
): Subject {
  const hardware = targetHardware(settings.targetDevice);
  requirePreset(hardware, settings.options.preset);
  const index = new GraphIndex(prepared.model.graph);
  const inFloat = findNodesInFloat(index, hardware, {
    ignored: settings.ignored,
    patterns: settings.ignoredPatterns,
  });
  const view: OperandView = { index, tensors: prepared.tensors, hardware, inFloat };
  const layout = withSaturationFix(layOutQuantizers(view), view, settings.saturationFix, saturationFixed);
  const model = { view, layout, settings };
  const { algorithms, tunedAlgorithms } = settings;
  const tuned = tunedAlgorithms.filter(({ name }) =>
    algorithms.some((each) => each.algorithm.name === name && hasEffect(each, model)),
  );
  return {
    prepared,
    settings,
    hardware,
    view,
    layout,
    space: joinSpaces(algorithmSpace(tuned), deriveSpace(layout, hardware, settings.options)),
    tunedAlgorithms: tuned,
    statistics: mergeRequirements(
      requiredStatistics(layout, view, settings.options),
      algorithmStatistics(algorithms, model),
    ),
  };
}

/**
 * Whether an algorithm changes anything in the model; if not, its parameters would only make the search
 * repeat equal trials.
 */
function hasEffect({ algorithm, settings }: ConfiguredAlgorithm, model: LaidOutModel): boolean {
  return algorithm.stage === "rewrite"
    ? algorithm.findRewriting(model, settings) !== undefined
    : algorithm.hasEffect(model, settings);
}

/**
 * The statistics that the algorithms need, those of the last algorithm first: the order is part of the
 * statistics' key.
 */
function algorithmStatistics(
  algorithms: readonly ConfiguredAlgorithm[],
  model: LaidOutModel,
): StatisticsRequirement {
  return adjustingAlgorithms(algorithms).reduceRight<StatisticsRequirement>(
    (all, { algorithm, settings }) =>
      mergeRequirements(all, algorithm.statistics?.(model, settings) ?? new Map()),
    new Map(),
  );
}

function joinSpaces(first: TuningSpace, second: TuningSpace): TuningSpace {
  return {
    parameters: [...first.parameters, ...second.parameters],
    base: { ...first.base, ...second.base },
    defaults: { ...first.defaults, ...second.defaults },
  };
}

/**
 * Checks that some configuration can quantize some op of the model.
 *
 * @param path the model's name in errors
 * @throws {ModelError} when no configuration can quantize any op
 */
export function requireQuantizable({ layout }: Subject, path: string): void {
  if (layout.ops.size > 0) return;
  const [first, ...others] = layout.unquantizable;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  throw new ModelError(
    first === undefined
      ? `${path} has nothing to quantize, as it has no Conv, ConvTranspose, Gemm or MatMul; use it as it is.`
      : `${path} has nothing to quantize: ${first.type} "${first.name}"${more} must stay in float, because ${first.reason}; change that, or use the model as it is.`,
  );
}
