import { mkdir, writeFile } from "node:fs/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  ModelProtoSchema,
} from "onnx-buf";
import sharp from "sharp";

const SIDE = 40;
const IMAGES_A_CLASS = 30;
/** Each class with how far along its stripes change, for a pixel at row and column. */
const CLASSES = {
  across: (row) => row,
  diagonal: (row, column) => row + column,
  falling: (row, column) => row - column + SIDE,
  upright: (_, column) => column,
};

/** 3 by 3 filters for lines in the four directions, in the order of the classes' names. */
const LINES = [
  [-1, -1, -1, 2, 2, 2, -1, -1, -1],
  [-1, -1, 2, -1, 2, -1, 2, -1, -1],
  [2, -1, -1, -1, 2, -1, -1, -1, 2],
  [-1, 2, -1, -1, 2, -1, -1, 2, -1],
];

let state = 1;
/** Uniform in [0, 1), the same on every machine. */
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

function floats(name, dims, values) {
  return { name, dims: dims.map(BigInt), dataType: DataType.FLOAT, floatData: values };
}

function ints(name, values) {
  return { name, type: AttributeType.INTS, ints: values.map(BigInt) };
}

function tensorType(dims) {
  const dim = dims.map((size) => ({
    value:
      typeof size === "string"
        ? { case: "dimParam", value: size }
        : { case: "dimValue", value: BigInt(size) },
  }));
  return { value: { case: "tensorType", value: { elemType: DataType.FLOAT, shape: { dim } } } };
}

const CHANNELS = 32;

/** Channel c finds lines in direction c mod 4, bright or dark ones, and reads the three colours alike. */
function lineFilters() {
  return Array.from({ length: CHANNELS }, (_, channel) => {
    const sign = channel % 8 < 4 ? 1 : -1;
    return [0, 1, 2].flatMap(() => LINES[channel % 4].map((value) => (sign * value) / 9));
  }).flat();
}

/** Each channel mostly keeps to itself. */
function mixingFilters() {
  return Array.from({ length: CHANNELS * CHANNELS * 9 }, (_, at) => {
    const [out, channel] = [Math.floor(at / 9 / CHANNELS), Math.floor(at / 9) % CHANNELS];
    return (out === channel ? 0.1 : 0) + (random() - 0.5) * 0.01;
  });
}

/** A class is the mean of the channels that look for its direction, less that of the others. */
function headWeights() {
  return Array.from({ length: 4 * CHANNELS }, (_, at) => (at % 4 === Math.floor(at / CHANNELS) ? 1 : -0.3));
}

const model = create(ModelProtoSchema, {
  irVersion: 8n,
  opsetImport: [{ domain: "", version: 17n }],
  graph: {
    name: "stripes",
    input: [{ name: "image", type: tensorType(["N", 3, 32, 32]) }],
    output: [{ name: "scores", type: tensorType(["N", 4]) }],
    initializer: [
      floats("lines", [CHANNELS, 3, 3, 3], lineFilters()),
      floats("lines.bias", [CHANNELS], Array(CHANNELS).fill(0.01)),
      floats("mix", [CHANNELS, CHANNELS, 3, 3], mixingFilters()),
      floats("head", [4, CHANNELS], headWeights()),
    ],
    node: [
      {
        opType: "Conv",
        name: "lines",
        input: ["image", "lines", "lines.bias"],
        output: ["a"],
        attribute: [ints("pads", [1, 1, 1, 1])],
      },
      { opType: "Relu", name: "relu", input: ["a"], output: ["b"] },
      {
        opType: "Conv",
        name: "mix",
        input: ["b", "mix"],
        output: ["c"],
        attribute: [ints("pads", [1, 1, 1, 1])],
      },
      { opType: "GlobalAveragePool", name: "pool", input: ["c"], output: ["d"] },
      { opType: "Flatten", name: "flatten", input: ["d"], output: ["e"] },
      {
        opType: "Gemm",
        name: "head",
        input: ["e", "head"],
        output: ["scores"],
        attribute: [{ name: "transB", type: AttributeType.INT, i: 1n }],
      },
    ],
  },
});
await writeFile("stripes.onnx", toBinary(ModelProtoSchema, model));

for (const [name, along] of Object.entries(CLASSES)) {
  const folder = `images/${name}`;
  await mkdir(folder, { recursive: true });
  for (let image = 0; image < IMAGES_A_CLASS; image++) {
    const [phase, strength] = [Math.floor(random() * 6), 60 + random() * 80];
    const pixels = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, at) => {
      const [row, column] = [Math.floor(at / 3 / SIDE), Math.floor(at / 3) % SIDE];
      const isBright = (along(row, column) + phase) % 6 < 3;
      return random() * 90 + (isBright ? strength : 0);
    });
    await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .png()
      .toFile(`${folder}/${image}.png`);
  }
}
console.log(`Wrote stripes.onnx and ${IMAGES_A_CLASS} images of each of ${Object.keys(CLASSES).join(", ")}.`);
