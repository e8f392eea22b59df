import type { QuantizerLayout } from "../../shared/quantization/groups.js";
import type { Scheme } from "../../shared/quantization/hardware.js";
import { activationSchemes, weightSchemes } from "../../shared/quantization/schemes.js";
import type { TuningOptions } from "../../shared/quantization/tuning-options.js";
import { prepareModelFile } from "../../shared/scoring/prepare-model.js";
import { makeSubject, type Subject } from "../../shared/scoring/subject.js";

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

export interface InspectResult {
  readonly model: { readonly sha256: string; readonly bytes: number };
  readonly groups: readonly InspectedGroup[];
  readonly unquantizable: QuantizerLayout["unquantizable"];
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
 * Lists a model's quantizer groups, their ops, and what may be chosen for each tensor; no data is needed.
 *
 * @throws {ModelError}
 */
export async function inspect(model: string, options: InspectOptions = {}): Promise<InspectResult> {
  const targetDevice = options.targetDevice ?? "CPU";
  const subject = makeSubject(await prepareModelFile(model), {
    targetDevice,
    options: EVERYTHING,
    ignored: {},
    sampling: { size: undefined, shuffle: false, seed: 0 },
  });
  return {
    model: { sha256: subject.prepared.sha256, bytes: subject.prepared.bytes },
    groups: [...subject.layout.groups.keys()].map((group) => inspectGroup(subject, group)),
    unquantizable: subject.layout.unquantizable,
  };
}

function inspectGroup({ layout, hardware, settings }: Subject, id: string): InspectedGroup {
  const group = layout.groups.get(id)!;
  return {
    group: id,
    ops: group.ops.map((key) => {
      const { name, node, kernel } = layout.ops.get(key)!;
      return { name, type: node.opType, kernel: kernel === "none" ? "float" : "integer" };
    }),
    tensors: [
      ...group.activations.map((tensor) => ({
        tensor,
        kind: "activations" as const,
        choices: activationSchemes(layout.activations.get(tensor)!, layout, hardware, settings.options),
      })),
      ...group.weights.map((tensor) => ({
        tensor,
        kind: "weights" as const,
        choices: weightSchemes(layout.weights.get(tensor)!, layout, hardware, settings.options),
      })),
    ],
  };
}
