import { ModelError, UsageError } from "../../shared/basics/errors.js";
import { readTargetDevice, withProcessor } from "../../shared/configuration/hardware-file.js";
import {
  type QuantizationSettings,
  quantizationSettings,
} from "../../shared/configuration/quantization-settings.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { requireKnownScope } from "../../shared/evaluation/model/ignored-scope-check.js";
import { naming, readModelFile, readWholeModel } from "../../shared/evaluation/model/model-file.js";
import { openSubject, type Subject } from "../../shared/evaluation/model/tunable-model.js";
import {
  findIntegerKernels,
  findIntegerKernelsOf,
  type IntegerKernels,
} from "../../shared/evaluation/quantizer/integer-kernels.js";
import { isQuantized } from "../../shared/onnx/lift/refusals.js";
import { decodeModel } from "../../shared/onnx/model/codec.js";
import { unsignedAffine } from "../../shared/quantization/arithmetic/affine.js";
import {
  forProcessor,
  type Scheme,
  type TargetDevice,
  targetHardware,
  widthOf,
} from "../../shared/quantization/device/hardware.js";
import type { QuantizerGroup, QuantizerLayout } from "../../shared/quantization/graph/groups.js";
import { simulationReason } from "../../shared/quantization/rewrite/kernel-support.js";
import { quantizeModel } from "../../shared/quantization/rewrite/quantize-model.js";
import { WeightCache } from "../../shared/quantization/rewrite/weight-cache.js";
import { algorithmSpace } from "../../shared/quantization/space/algorithm-space.js";
import { planQuantization } from "../../shared/quantization/space/plan.js";
import { deriveGroup, type GroupDerivation } from "../../shared/quantization/space/space.js";
import type { TuningOptions } from "../../shared/quantization/space/tuning-options.js";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { DEFAULT_SESSION } from "../../shared/runtime/session.js";
import type { Parameter } from "../../shared/search/space/space.js";
import { nearest } from "../../shared/validation/requirement.js";
import { type ConfigurationSource, loadConfiguration } from "./configuration.js";

export interface InspectOptions {
  /**
   * The name of a device, or the path of a hardware file; when omitted, the configuration's device, otherwise
   * CPU.
   */
  readonly targetDevice?: string | undefined;
  /**
   * The configuration whose compression section applies; when omitted, all choices of the device are listed.
   */
  readonly configuration?: ConfigurationSource | undefined;
  /**
   * The only group (tensors that share a quantizer choice) to list, with the derivation of its choices: a group's
   * name, or that of an op or tensor in it. An algorithm that the search switches on and off is a group too.
   */
  readonly group?: string | undefined;
}

export interface InspectedTensor {
  readonly tensor: string;
  readonly kind: "activations" | "weights";
  /**
   * Quantization schemes (width, mode, granularity) that the search may choose for the tensor, that of the preset
   * configuration first.
   */
  readonly choices: readonly Scheme[];
}

export interface InspectedGroup {
  readonly group: string;
  /**
   * The ops of the group (tensors that share a quantizer choice) in the preset configuration; "simulated" ops have
   * no integer kernel in ONNX Runtime.
   */
  readonly ops: readonly {
    readonly name: string;
    readonly type: string;
    readonly kernel: "integer" | "simulated";
  }[];
  readonly tensors: readonly InspectedTensor[];
}

/**
 * Result of `inspect`. For a model that is already quantized, it lists no groups (tensors that share a quantizer
 * choice), only the integer kernels.
 */
export interface InspectResult {
  readonly quantized: boolean;
  readonly groups: readonly InspectedGroup[];
  readonly unquantizable: QuantizerLayout["unquantizable"];
  /** Search parameters of the algorithms other than the quantization, such as whether to apply a bias correction. */
  readonly companions: readonly Parameter[];
  /**
   * Which products run in integer kernels: in the model itself when it is quantized, otherwise in a model with all
   * groups quantized as in the preset configuration.
   */
  readonly integerKernels: IntegerKernels;
  /** How the choices of the group given as `group` are derived. */
  readonly derivation?: GroupDerivation;
  /** The target device; CPU is replaced by the processor class of this machine. */
  readonly target: string;
  /** Notes on properties of the target device that quantfleet cannot express. */
  readonly notes: readonly string[];
  /** Notes on choices that this model cannot have and that are therefore not listed, with the reason. */
  readonly modelNotes: readonly string[];
}

const EVERYTHING: TuningOptions = {
  preset: "performance",
  tuningScope: new Set(["bits", "mode", "granularity", "codes", "layer", "range_estimator"]),
  estimatorScope: new Set(["preset", "aggregator", "type", "outlier_prob"]),
  outlierProbChoices: [],
  weights: {},
  activations: {},
};

/**
 * Lists a model's quantizer groups (tensors that share a quantizer choice), their ops, the choices of each tensor,
 * and which products ONNX Runtime would run as integer kernels; needs no data. For a quantized model, lists which
 * of its products run as integer kernels.
 *
 * @example const { derivation } = await inspect("model.onnx", { configuration: "config.json", group: "conv1" });
 *
 * @throws {ConfigurationError | ModelError | UsageError}
 */
export async function inspect(path: string, options: InspectOptions = {}): Promise<InspectResult> {
  if (isQuantized(decodeModel(await readModelFile(path), path))) {
    if (options.group !== undefined) {
      throw new UsageError(
        `--group is "${options.group}", but ${path} is quantized already and has no groups; give the float model.`,
      );
    }
    const reading = readWholeModel(path).then((model) => findIntegerKernelsOf(model, DEFAULT_SESSION));
    const integerKernels = await naming(path, reading);
    return {
      quantized: true,
      groups: [],
      unquantizable: [],
      companions: [],
      integerKernels,
      target: await processorClass(),
      notes: [],
      modelNotes: [],
    };
  }
  const { subject, modelNotes } = await openInspected(path, await settingsOf(options), options);
  requireKnownScope(subject, path);
  const { layout, hardware } = subject;
  const result = {
    quantized: false,
    target: hardware.device,
    notes: hardware.notes,
    modelNotes,
    unquantizable: layout.unquantizable,
    companions: algorithmSpace(subject.tunedAlgorithms).parameters,
    integerKernels: await trialFusion(subject),
  };
  if (options.group === undefined) {
    return { ...result, groups: [...layout.groups.values()].map((group) => inspectGroup(subject, group)) };
  }
  return { ...result, ...inspectOne(subject, options.group) };
}

/**
 * Opens the model for inspection. Without a configuration all widths are listed; a model that cannot be
 * lifted to the operator set that they need is listed with the device's own width, as `quantize` and `tune`
 * would use it.
 */
async function openInspected(
  path: string,
  settings: QuantizationSettings,
  { configuration }: InspectOptions,
): Promise<{ readonly subject: Subject; readonly modelNotes: readonly string[] }> {
  try {
    return { subject: await openSubject(path, settings), modelNotes: [] };
  } catch (error) {
    const { options } = settings;
    if (configuration !== undefined || !(error instanceof ModelError)) throw error;
    const tuningScope = new Set([...options.tuningScope].filter((scope) => scope !== "bits"));
    const subject = await openSubject(path, { ...settings, options: { ...options, tuningScope } });
    return { subject, modelNotes: [`Tuning scope bits is left out, as ${error.message}`] };
  }
}

function inspectOne(subject: Subject, name: string): Pick<InspectResult, "groups" | "derivation"> {
  const { layout, hardware, settings, tunedAlgorithms } = subject;
  const algorithm = tunedAlgorithms.find((tuned) => tuned.name === name);
  if (algorithm !== undefined) {
    return {
      groups: [{ group: name, ops: [], tensors: [] }],
      derivation: { group: name, tensors: [], ...algorithmSpace([algorithm]) },
    };
  }
  const group = findGroup(name, subject);
  return {
    groups: [inspectGroup(subject, group)],
    derivation: deriveGroup(group, layout, hardware, settings.options),
  };
}

async function settingsOf({
  configuration: source,
  targetDevice,
}: InspectOptions): Promise<QuantizationSettings> {
  if (source === undefined) {
    const device = await deviceNamed(targetDevice ?? "CPU");
    return {
      targetDevice: device,
      saturationFix: "auto",
      options: { ...EVERYTHING, preset: targetHardware(device).presets[0]! },
      ignored: {},
      sampling: { size: undefined, shuffle: false, seed: 0 },
      algorithms: [],
      tunedAlgorithms: [],
    };
  }
  const { configuration } = await loadConfiguration(source);
  requireSupported(configuration, "inspect");
  const settings = quantizationSettings(withProcessor(configuration, await processorClass()));
  return targetDevice === undefined
    ? settings
    : { ...settings, targetDevice: await deviceNamed(targetDevice) };
}

/** The target device as it applies on this machine: CPU becomes the machine's processor class. */
async function deviceNamed(device: string): Promise<TargetDevice> {
  return forProcessor(await readTargetDevice(device), await processorClass());
}

/**
 * The group (tensors that share a quantizer choice) of this name, or the one with an op or tensor of this name.
 * @throws {UsageError} when there is none
 */
function findGroup(name: string, { layout, tunedAlgorithms }: Subject): QuantizerGroup {
  const groups = [...layout.groups.values()];
  const opNames = (group: QuantizerGroup): string[] => group.ops.map((key) => layout.ops.get(key)!.name);
  const tensors = (group: QuantizerGroup): string[] => [
    ...group.weights,
    ...group.activations.flatMap((id) => layout.activations.get(id)!.tensors),
  ];
  const found =
    layout.groups.get(name) ??
    groups.find((group) => opNames(group).includes(name)) ??
    groups.find((group) => tensors(group).includes(name));
  if (found !== undefined) return found;
  const near = nearest(name, [
    ...tunedAlgorithms.map((algorithm) => algorithm.name),
    ...groups.flatMap((group) => [group.id, ...opNames(group)]),
  ]);
  throw new UsageError(
    `--group is "${name}", which is no group, nor an op or tensor of one; ${near === undefined ? "inspect without it lists them" : `did you mean "${near}"`}${near === undefined ? "." : "?"}`,
  );
}

/**
 * Which products of the preset configuration run in integer kernels, found without data: ONNX Runtime's fusions
 * depend on zero points but not on scales, so ranges are made up, from zero on after a Relu and symmetric around
 * zero elsewhere.
 */
function trialFusion({
  prepared,
  view,
  layout,
  hardware,
  settings,
  space,
}: Subject): Promise<IntegerKernels> {
  const plan = planQuantization(layout, hardware, settings.options, space.base);
  const saturated = new Set(
    [...layout.ops.values()].flatMap((op) => (op.clip === undefined ? [] : [op.output])),
  );
  const scales = new Map(
    [...plan.activations.keys()].map((id) => {
      const fromZero = layout.activations.get(id)!.sources.some((tensor) => saturated.has(tensor));
      const scheme = plan.activations.get(id)!;
      const isSigned = scheme.levels !== undefined && scheme.levels.low < 0;
      const range = { low: fromZero && !isSigned ? 0 : -1, high: 1 };
      const scales = scheme.granularity === "perchannel" ? layout.activations.get(id)!.channels! : 1;
      return [id, Array.from({ length: scales }, () => unsignedAffine(range, widthOf(scheme)))];
    }),
  );
  const model = quantizeModel(prepared.model, view, layout, plan, scales, new WeightCache(view.index));
  return findIntegerKernels(model, layout, plan, DEFAULT_SESSION);
}

function inspectGroup({ layout, hardware, settings, space }: Subject, group: QuantizerGroup): InspectedGroup {
  const plan = planQuantization(layout, hardware, settings.options, space.base);
  return {
    group: group.id,
    ops: group.ops.map((key) => {
      const op = layout.ops.get(key)!;
      const kernel = simulationReason(op, layout, plan) === undefined ? "integer" : "simulated";
      return { name: op.name, type: op.node.opType, kernel };
    }),
    tensors: deriveGroup(group, layout, hardware, settings.options).tensors.map((derived) => ({
      tensor: derived.id,
      kind: derived.tensor,
      choices: derived.kept,
    })),
  };
}
