import { create } from "@bufbuild/protobuf";
import { TensorProto_DataLocation as DataLocation, StringStringEntryProtoSchema } from "onnx-buf";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { npyBytes } from "../../data/write-npy.js";
import { buildModel, type GraphBuilder, type ModelOptions } from "../../fixtures/models/model-builder.js";
import { SMALL_NET_INPUT, smallNet } from "../../quantization/small-net.js";

const SAMPLES = 6;
const WIDTH = SMALL_NET_INPUT.reduce((product, axis) => product * axis, 1);
const PIXELS = Float32Array.from({ length: SAMPLES * WIDTH }, (_, i) => Math.sin(i));
const SHAPE = [SAMPLES, ...SMALL_NET_INPUT];

function samples(values: Float32Array, shape: readonly number[] = SHAPE): Uint8Array {
  return npyBytes({ descr: "<f4", shape, data: values });
}

function classes(...values: number[]): Uint8Array {
  return npyBytes({ descr: "<i8", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
}

/** A model of a single node on the samples, whose output does not look like classes. */
function oneNode(fill: (graph: GraphBuilder, x: string) => string, options?: ModelOptions): Uint8Array {
  const model = buildModel((graph) => {
    graph.output(fill(graph, graph.input("x", ["N", ...SMALL_NET_INPUT])));
  }, options);
  return encodeModel(model);
}

function withWeight(edit: (weight: Model["graph"]["initializer"][number]) => void): Uint8Array {
  const model = smallNet();
  edit(model.graph.initializer.find(({ name }) => name === "stem.weight")!);
  return encodeModel(model);
}

function external(location: string): Uint8Array {
  return withWeight((weight) => {
    weight.dataLocation = DataLocation.EXTERNAL;
    weight.rawData = new Uint8Array(0);
    weight.externalData = [
      create(StringStringEntryProtoSchema, { key: "location", value: location }),
      create(StringStringEntryProtoSchema, { key: "length", value: "1152" }),
    ];
  });
}

const VALID_MODEL = encodeModel(smallNet());

/** Files that the broken configurations refer to, some of them valid. */
export const FILES: Readonly<Record<string, Uint8Array | string>> = {
  "x.npy": samples(PIXELS),
  "y.npy": classes(0, 1, 2, 0, 1, 2),
  "nan.npy": samples(PIXELS.map((value, i) => (i === 700 ? Number.NaN : value))),
  "infinite.npy": samples(PIXELS.map((value, i) => (i === 3 ? Number.POSITIVE_INFINITY : value))),
  "flat.npy": samples(PIXELS, [SAMPLES, WIDTH]),
  "short.npy": samples(PIXELS).subarray(0, 3000),
  "text.npy": "1, 2, 3\n",
  "none.npy": samples(new Float32Array(0), [0, ...SMALL_NET_INPUT]),
  "integers.npy": npyBytes({ descr: "<i4", shape: SHAPE, data: Int32Array.from(PIXELS, Math.round) }),
  "few-labels.npy": classes(0, 1),
  "far-label.npy": classes(0, 1, 2, 0, 1, 3),
  "negative-label.npy": classes(0, -1, 2, 0, 1, 2),
  "fractions.npy": npyBytes({ descr: "<f4", shape: [SAMPLES], data: Float32Array.of(0, 0.5, 1, 2, 1, 0) }),
  "cut.npz": "PK\x03\x04 and nothing more",
  "model.onnx": VALID_MODEL,
  "empty.onnx": "",
  "text.onnx": "this is a note about a model\n",
  "cut.onnx": VALID_MODEL.subarray(0, VALID_MODEL.length - 500),
  "no-graph.onnx": Uint8Array.of(8, 8),
  "nan-weights.onnx": withWeight((weight) => {
    weight.rawData = new Uint8Array(Float32Array.from({ length: 288 }, () => Number.NaN).buffer);
  }),
  "short-weights.onnx": withWeight((weight) => {
    weight.rawData = weight.rawData.slice(0, 100);
  }),
  "missing-data.onnx": external("weights.bin"),
  "escaping-data.onnx": external("../secret.bin"),
  "unknown-op.onnx": oneNode((graph, x) => graph.node("Convolve", [x], {}, { name: "strange" })),
  "unknown-domain.onnx": oneNode((graph, x) => graph.node("Conv", [x], {}, { domain: "com.example" }), {
    domains: { "com.example": 1 },
  }),
  "future.onnx": oneNode((graph, x) => graph.node("Relu", [x]), { opset: 99 }),
  "missing-tensor.onnx": oneNode((graph, x) => graph.node("Add", [x, "nowhere"])),
  "nothing-to-quantize.onnx": oneNode((graph, x) => graph.node("Relu", [x])),
  "quantized.onnx": oneNode((graph, x) => {
    const scale = graph.floats("scale", [], [0.1]);
    return graph.node("DequantizeLinear", [graph.node("QuantizeLinear", [x, scale]), scale]);
  }),
  "cyclic.onnx": encodeModel(
    buildModel((graph) => {
      graph.input("x", ["N", ...SMALL_NET_INPUT]);
      graph.node("Relu", ["b"], {}, { outputs: ["a"] });
      graph.node("Relu", ["a"], {}, { outputs: ["b"] });
      graph.output("b", DataType.FLOAT, ["N", ...SMALL_NET_INPUT]);
    }),
  ),
  "batch-of-8.onnx": encodeModel(smallNet(8)),
  "not-json.json": "{ choices: ",
  "other-version.json": JSON.stringify({ schemaVersion: 7 }),
  "unknown-choice.json": JSON.stringify({
    schemaVersion: 1,
    model: { sha256: "0" },
    run: "r",
    trial: 3,
    choices: { "stem/quantise": true },
  }),
  "wrong-value.json": JSON.stringify({
    schemaVersion: 1,
    model: { sha256: "0" },
    run: "r",
    trial: 3,
    choices: { "stem/quantize": "yes" },
  }),
};
