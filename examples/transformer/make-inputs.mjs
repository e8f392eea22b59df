import { writeFile } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  ModelProtoSchema,
} from "onnx-buf";

const [SAMPLES, TOKENS, VOCABULARY, WIDTH, CLASSES] = [260, 16, 100, 32, 5];

let state = 1;
/** Uniform in [0, 1), the same on every machine. */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

/** Sums of uniform numbers are close enough to a normal distribution for weights. */
function normal() {
  return (random() + random() + random() + random() - 2) * Math.sqrt(3);
}

function floats(name, dims, values) {
  return { name, dims: dims.map(BigInt), dataType: DataType.FLOAT, floatData: values };
}

function weights(name, rows, columns) {
  return floats(
    name,
    [rows, columns],
    Array.from({ length: rows * columns }, () => normal() / Math.sqrt(rows)),
  );
}

function int64(name, values) {
  return { name, dims: [BigInt(values.length)], dataType: DataType.INT64, int64Data: values.map(BigInt) };
}

function tensorType(elemType, dims) {
  const dim = dims.map((size) => ({
    value:
      typeof size === "string"
        ? { case: "dimParam", value: size }
        : { case: "dimValue", value: BigInt(size) },
  }));
  return { value: { case: "tensorType", value: { elemType, shape: { dim } } } };
}

function node(opType, name, input, output, attribute = []) {
  return { opType, name, input, output: [output], attribute };
}

const axis = (value) => ({ name: "axis", type: AttributeType.INT, i: BigInt(value) });
const perm = { name: "perm", type: AttributeType.INTS, ints: [0n, 2n, 1n] };
const toFloat = { name: "to", type: AttributeType.INT, i: BigInt(DataType.FLOAT) };

const model = create(ModelProtoSchema, {
  irVersion: 8n,
  opsetImport: [{ domain: "", version: 17n }],
  graph: {
    name: "encoder",
    input: ["input_ids", "attention_mask"].map((name) => ({
      name,
      type: tensorType(DataType.INT64, ["N", TOKENS]),
    })),
    output: [{ name: "logits", type: tensorType(DataType.FLOAT, ["N", CLASSES]) }],
    initializer: [
      floats("embedding", [VOCABULARY, WIDTH], Array.from({ length: VOCABULARY * WIDTH }, normal)),
      ...["query", "key", "value", "out"].map((name) => weights(`${name}.weight`, WIDTH, WIDTH)),
      weights("up.weight", WIDTH, 2 * WIDTH),
      weights("down.weight", 2 * WIDTH, WIDTH),
      weights("head.weight", WIDTH, CLASSES),
      ...["norm1", "norm2"].flatMap((name) => [
        // A few wide channels, as trained transformers have them.
        floats(
          `${name}.gain`,
          [WIDTH],
          Array.from({ length: WIDTH }, (_, at) => (at % 11 === 0 ? 8 : 1)),
        ),
        floats(`${name}.bias`, [WIDTH], Array(WIDTH).fill(0)),
      ]),
      floats("scale", [], [1 / Math.sqrt(WIDTH)]),
      floats("one", [], [1]),
      floats("far", [], [-10000]),
      int64("axis1", [1]),
      int64("axis2", [2]),
    ],
    node: [
      node("Gather", "embed", ["embedding", "input_ids"], "x"),
      node("LayerNormalization", "norm1", ["x", "norm1.gain", "norm1.bias"], "n1", [axis(-1)]),
      ...["query", "key", "value"].map((name) => node("MatMul", name, ["n1", `${name}.weight`], name)),
      node("Transpose", "turn", ["key"], "keyT", [perm]),
      node("MatMul", "scores", ["query", "keyT"], "s"),
      node("Mul", "scaled", ["s", "scale"], "ss"),
      node("Cast", "mask.float", ["attention_mask"], "m", [toFloat]),
      node("Sub", "mask.hidden", ["one", "m"], "hidden"),
      node("Mul", "mask.far", ["hidden", "far"], "farness"),
      node("Unsqueeze", "mask.row", ["farness", "axis1"], "bias"),
      node("Add", "masked", ["ss", "bias"], "masked"),
      node("Softmax", "attention", ["masked"], "p", [axis(-1)]),
      node("MatMul", "context", ["p", "value"], "c"),
      node("MatMul", "out", ["c", "out.weight"], "o"),
      node("Add", "residual1", ["x", "o"], "r1"),
      node("LayerNormalization", "norm2", ["r1", "norm2.gain", "norm2.bias"], "n2", [axis(-1)]),
      node("MatMul", "up", ["n2", "up.weight"], "u"),
      node("Relu", "relu", ["u"], "ur"),
      node("MatMul", "down", ["ur", "down.weight"], "d"),
      node("Add", "residual2", ["r1", "d"], "r2"),
      node("Unsqueeze", "mask.column", ["m", "axis2"], "mc"),
      node("Mul", "kept", ["r2", "mc"], "k"),
      node("ReduceMean", "mean", ["k"], "mean", [
        { name: "axes", type: AttributeType.INTS, ints: [1n] },
        { name: "keepdims", type: AttributeType.INT, i: 0n },
      ]),
      node("MatMul", "head", ["mean", "head.weight"], "logits"),
    ],
  },
});
await writeFile("encoder.onnx", toBinary(ModelProtoSchema, model));

/** A two-dimensional int64 array as NumPy writes it. */
function npy(rows, columns, values) {
  const header = `{'descr': '<i8', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  return Buffer.concat([start, Buffer.from(padded), Buffer.from(BigInt64Array.from(values, BigInt).buffer)]);
}

const lengths = Array.from({ length: SAMPLES }, () => 4 + Math.floor(random() * (TOKENS - 3)));
const mask = lengths.flatMap((length) => Array.from({ length: TOKENS }, (_, at) => (at < length ? 1 : 0)));
const tokens = mask.map((isToken) => (isToken ? 1 + Math.floor(random() * (VOCABULARY - 1)) : 0));
await writeFile("input_ids.npy", npy(SAMPLES, TOKENS, tokens));
await writeFile("attention_mask.npy", npy(SAMPLES, TOKENS, mask));
console.log(`Wrote encoder.onnx and ${SAMPLES} samples of ${TOKENS} tokens.`);
