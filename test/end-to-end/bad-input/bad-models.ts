import type { BadInput } from "./bad-input.js";

const MODELS: readonly { readonly file: string; readonly title: string; readonly says: string }[] = [
  {
    file: "missing.onnx",
    title: "a model that does not exist",
    says: "The model missing.onnx cannot be read (ENOENT); check the path.",
  },
  {
    file: ".",
    title: "a folder for a model",
    says: "The model . is not a file; give the path of an .onnx file.",
  },
  {
    file: "empty.onnx",
    title: "an empty model",
    says: "empty.onnx is empty; give the path of an ONNX model.",
  },
  {
    file: "text.onnx",
    title: "text for a model",
    says: "text.onnx is not an ONNX model (its 29 bytes do not parse as protobuf); give the path of an .onnx file.",
  },
  {
    file: "cut.onnx",
    title: "a model cut short",
    says: "cut.onnx is not an ONNX model (its 2426 bytes do not parse as protobuf); give the path of an .onnx file.",
  },
  {
    file: "no-graph.onnx",
    title: "a model without a graph",
    says: "no-graph.onnx is not an ONNX model (it has no graph, IR version or operator set); give the path of an .onnx file.",
  },
  {
    file: "nan-weights.onnx",
    title: "weights that are no numbers",
    says: 'nan-weights.onnx: initializer "stem.weight" holds NaN at element 0; repair the weights and export the model again.',
  },
  {
    file: "short-weights.onnx",
    title: "weights cut short",
    says: 'short-weights.onnx: tensor "stem.weight" holds 100 bytes where its shape [8, 4, 3, 3] of FLOAT needs 1152; the file is damaged, export the model again.',
  },
  {
    file: "missing-data.onnx",
    title: "external data that is not there",
    says: 'The external data "weights.bin" of initializer "stem.weight" cannot be read; copy it beside the model.',
  },
  {
    file: "escaping-data.onnx",
    title: "external data outside the model's folder",
    says: 'Initializer "stem.weight" keeps its data in "../secret.bin", outside the model\'s folder; move the file beside the model.',
  },
  {
    file: "unknown-op.onnx",
    title: "an operator that does not exist",
    says: 'unknown-op.onnx: ONNX Runtime cannot load the model: In Node, ("strange", Convolve, "", -1) : ("x": tensor(float),) -> ("strange_output",) , Error No Op registered for Convolve with domain_version of 17; export the model again.',
  },
  {
    file: "unknown-domain.onnx",
    title: "an operator of a domain that is not there",
    says: "unknown-domain.onnx: ONNX Runtime cannot load the model: com.example:Conv(-1) is not a registered function/op; export the model again.",
  },
  {
    file: "future.onnx",
    title: "an operator set to come",
    says: "future.onnx: ONNX Runtime cannot load the model: it uses operator set 99, and sets up to 26 are known; export the model again.",
  },
  {
    file: "missing-tensor.onnx",
    title: "a tensor that nothing makes",
    says: "missing-tensor.onnx: ONNX Runtime cannot load the model: Node input 'nowhere' is not a graph input, initializer, or output of a previous node; export the model again.",
  },
  {
    file: "nothing-to-quantize.onnx",
    title: "a model without anything to quantize",
    says: "nothing-to-quantize.onnx has nothing to quantize, as it has no Conv, ConvTranspose, Gemm or MatMul; use it as it is.",
  },
  {
    file: "quantized.onnx",
    title: "a model that is quantized",
    says: 'quantized.onnx is quantized already (node "QuantizeLinear_1" is a QuantizeLinear); give the float model that it was made from.',
  },
  {
    file: "cyclic.onnx",
    title: "a graph that goes round",
    says: 'cyclic.onnx has nodes in a cycle: Relu "Relu_2" reads "a", which is made of its own output; export the model again.',
  },
  {
    file: "batch-of-8.onnx",
    title: "fewer samples than one batch",
    says: "engine.calibration has 6 samples, but the model takes batches of 8; give at least 8.",
  },
];

/** Models that are refused by every command that reads them. */
export const BAD_MODELS: readonly BadInput[] = MODELS.flatMap(({ file, title, says }) =>
  (["tune", "quantize"] as const).map((command) => ({
    title,
    at: "model.model",
    value: file,
    command,
    says,
  })),
);
