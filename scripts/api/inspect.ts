import { dirname } from "node:path";
import { decodeModel, type Model } from "../../shared/onnx/codec.js";
import { loadExternalData } from "../../shared/onnx/external-data.js";
import { isQuantized } from "../../shared/onnx/refusals.js";
import { unsignedAffine } from "../../shared/quantization/affine.js";
import type { QuantizerLayout } from "../../shared/quantization/groups.js";
import type { Scheme } from "../../shared/quantization/hardware.js";
import { planQuantization } from "../../shared/quantization/plan.js";
import { quantizeModel } from "../../shared/quantization/quantize-model.js";
import { deriveGroup } from "../../shared/quantization/space.js";
import type { TuningOptions } from "../../shared/quantization/tuning-options.js";
import { WeightCache } from "../../shared/quantization/weight-cache.js";
import {
  findIntegerKernels,
  findIntegerKernelsOf,
  type IntegerKernels,
} from "../../shared/scoring/integer-kernels.js";
import { readModelFile } from "../../shared/scoring/prepare-model.js";
import { DEFAULT_SESSION } from "../../shared/scoring/session.js";
import { openSubject, type Subject } from "../../shared/scoring/subject.js";

export interface InspectOptions {
  readonly targetDevice?: "ANY" | "CPU";
}

export interface InspectedTensor {
  readonly tensor: string;
  readonly kind: "activations" | "weights";
  /** What may be chosen, the base first. */
  readonly choices: readonly Scheme[];
}

export interface InspectedGroup {
  readonly group: string;
  readonly ops: readonly { readonly name: string; readonly type: string; readonly kernel: string }[];
  readonly tensors: readonly InspectedTensor[];
}

/** Of a model that is quantized already there are no groups, only what runs as integer kernels. */
export interface InspectResult {
  readonly quantized: boolean;
  readonly groups: readonly InspectedGroup[];
  readonly unquantizable: QuantizerLayout["unquantizable"];
  /** Of the model as it is, or, for a float model, with all groups quantized as the preset says. */
  readonly integerKernels: IntegerKernels;
}

const EVERYTHING: TuningOptions = {
  preset: "performance",
  tuningScope: new Set(["bits", "mode", "granularity", "layer", "range_estimator"]),
  estimatorScope: new Set(["preset", "aggregator", "type", "outlier_prob"]),
  outlierProbChoices: [],
  weights: {},
  activations: {},
};

/**
 * Lists a model's quantizer groups, their ops, what may be chosen for each tensor, and which products ONNX Runtime would
 * run as integer kernels; no data is needed. Of a quantized model, which of its products do run so.
 *
 * @throws {ModelError}
 */
export async function inspect(path: string, options: InspectOptions = {}): Promise<InspectResult> {
  const model = await readModel(path);
  if (isQuantized(model)) {
    const integerKernels = await findIntegerKernelsOf(model, DEFAULT_SESSION);
    return { quantized: true, groups: [], unquantizable: [], integerKernels };
  }
  const subject = await openSubject(path, {
    targetDevice: options.targetDevice ?? "CPU",
    options: EVERYTHING,
    ignored: {},
    sampling: { size: undefined, shuffle: false, seed: 0 },
  });
  return {
    quantized: false,
    groups: [...subject.layout.groups.keys()].map((group) => inspectGroup(subject, group)),
    unquantizable: subject.layout.unquantizable,
    integerKernels: await trialFusion(subject),
  };
}

async function readModel(path: string): Promise<Model> {
  const bytes = await readModelFile(path);
  const model = decodeModel(bytes, path);
  await loadExternalData(model, dirname(path));
  return model;
}

/**
 * What fuses does not depend on the scales, only on where zero lies: quantizes the base configuration with made-up
 * ranges, from zero on behind a Relu and around zero elsewhere.
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
    [...layout.ops.values()].flatMap((op) => (op.saturating === undefined ? [] : [op.output])),
  );
  const scales = new Map(
    [...plan.activations.keys()].map((id) => {
      const fromZero = layout.activations.get(id)!.sources.some((tensor) => saturated.has(tensor));
      return [id, unsignedAffine({ low: fromZero ? 0 : -1, high: 1 }, 8)];
    }),
  );
  const model = quantizeModel(prepared.model, view, layout, plan, scales, new WeightCache(view.index));
  return findIntegerKernels(model, layout, plan, DEFAULT_SESSION);
}

function inspectGroup({ layout, hardware, settings }: Subject, id: string): InspectedGroup {
  const group = layout.groups.get(id)!;
  return {
    group: id,
    ops: group.ops.map((key) => {
      const { name, node, kernel } = layout.ops.get(key)!;
      return { name, type: node.opType, kernel: kernel === "none" ? "float" : "integer" };
    }),
    tensors: deriveGroup(group, layout, hardware, settings.options).tensors.map(({ tensor, id, kept }) => ({
      tensor: id,
      kind: tensor,
      choices: kept,
    })),
  };
}
