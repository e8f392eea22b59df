import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { QuantizationSettings } from "../../shared/configuration/quantization-settings.js";
import { type PreparedModel, prepareModelFile } from "../../shared/evaluation/model/prepare-model.js";
import { encodeModel, type Model } from "../../shared/onnx/model/codec.js";
import { DataType } from "../../shared/onnx/model/tensor.js";
import type { TuningOptions } from "../../shared/quantization/space/tuning-options.js";
import { buildModel, type GraphBuilder } from "../fixtures/models/model-builder.js";

/** Shape of the input `x`. */
export const SMALL_NET_INPUT = [4, 8, 8] as const;

/**
 * A network with one of each structure that joins quantizers: a residual connection, a depthwise convolution,
 * a pool, a concatenation, and a dense layer with a bias at the end. Nodes have the names of their outputs.
 */
export function smallNet(batch: number | string = "N"): Model {
  return buildModel((graph) => {
    const node = (name: string, ...[opType, inputs, attributes]: Parameters<GraphBuilder["node"]>): string =>
      graph.node(opType, inputs, attributes, { name, outputs: [name] });
    const conv = (name: string, input: string, dims: readonly number[], attributes = {}): string => {
      const weight = graph.random(`${name}.weight`, dims, 0.25);
      const bias = graph.random(`${name}.bias`, dims.slice(0, 1), 0.25);
      return node(name, "Conv", [input, weight, bias], attributes);
    };
    const padded = { pads: [1, 1, 1, 1] };
    const x = graph.input("x", [batch, ...SMALL_NET_INPUT]);
    const stem = node("stem_relu", "Relu", [conv("stem", x, [8, 4, 3, 3], padded)]);
    const depthwise = conv("depthwise", stem, [8, 1, 3, 3], { ...padded, group: 8 });
    const residual = node("residual", "Add", [stem, depthwise]);
    const pooled = node("pooled", "MaxPool", [residual], { kernel_shape: [2, 2], strides: [2, 2] });
    const sides = [conv("left", pooled, [4, 8, 1, 1]), conv("right", pooled, [4, 8, 1, 1])];
    const averaged = node("averaged", "GlobalAveragePool", [node("joined", "Concat", sides, { axis: 1 })]);
    const flat = node("flat", "Reshape", [averaged, graph.ints("shape", [-1, 8])]);
    const dense = [flat, graph.random("dense.weight", [3, 8], 0.25), graph.random("dense.bias", [3], 0.25)];
    graph.output(node("y", "Gemm", dense, { transB: 1 }), DataType.FLOAT, [batch, 3]);
  });
}

/** The network, prepared as in a run. */
export async function prepareSmallNet(): Promise<PreparedModel> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-net-"));
  try {
    const path = join(folder, "net.onnx");
    await writeFile(path, encodeModel(smallNet()));
    return await prepareModelFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Options of the preset `performance` without tuning, with the given changes. */
export function tuningOptions(options: Partial<TuningOptions> = {}): TuningOptions {
  return {
    preset: "performance",
    tuningScope: new Set(),
    estimatorScope: new Set(),
    outlierProbChoices: [],
    weights: {},
    activations: {},
    ...options,
  };
}

export function quantizationSettings(options: Partial<TuningOptions> = {}): QuantizationSettings {
  return {
    targetDevice: "CPU",
    options: tuningOptions(options),
    ignored: {},
    saturationFix: "auto",
    sampling: { size: undefined, shuffle: false, seed: 0 },
    algorithms: [],
    tunedAlgorithms: [],
  };
}
