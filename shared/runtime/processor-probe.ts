import { arch } from "node:process";
import { create } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { encodeModel, type Model } from "../onnx/model/codec.js";
import { DataType, makeTensor } from "../onnx/model/tensor.js";
import type { ProcessorClass } from "./processor-class.js";
import { openSession } from "./session.js";

/**
 * Rows and columns of the matrices that the probe multiplies, too many for special kernels for single rows or
 * small products.
 */
const SIZE = 16;
const LARGEST_ACTIVATION = 255;
const LARGEST_WEIGHT = 127;

let probed: Promise<ProcessorClass> | undefined;

/**
 * The class of this machine's processor, detected once from the result of ONNX Runtime's kernel for a product
 * that saturates in 16 bits. Unlike a query of the processor's features, this is correct under emulation and
 * on every operating system.
 */
export function processorClass(): Promise<ProcessorClass> {
  probed ??= probeSaturation().then((saturates) => {
    if (saturates) return "CPU_AVX2";
    return arch === "arm64" ? "CPU_ARM64" : "CPU_VNNI";
  });
  return probed;
}

/**
 * Whether the kernel saturates: a product of the largest UINT8 activations and INT8 weights is smaller than
 * the exact one.
 */
async function probeSaturation(): Promise<boolean> {
  const settings = { graphOptimizationLevel: "disabled", intraOpNumThreads: 1 } as const;
  const session = await openSession(encodeModel(largestProduct()), settings);
  try {
    const { product } = await session.run({});
    const exact = SIZE * LARGEST_ACTIVATION * LARGEST_WEIGHT;
    return (product!.data as Int32Array).some((value) => value !== exact);
  } finally {
    await session.release();
  }
}

/** A model without inputs, whose only node multiplies two constant matrices. */
function largestProduct(): Model {
  const dims = [SIZE, SIZE];
  const activations = new Uint8Array(SIZE * SIZE).fill(LARGEST_ACTIVATION);
  const weights = new Int8Array(SIZE * SIZE).fill(LARGEST_WEIGHT);
  const graph = create(GraphProtoSchema, {
    name: "probe",
    node: [
      create(NodeProtoSchema, {
        opType: "MatMulInteger",
        input: ["activations", "weights"],
        output: ["product"],
      }),
    ],
    initializer: [
      makeTensor("activations", DataType.UINT8, dims, activations),
      makeTensor("weights", DataType.INT8, dims, weights),
    ],
    output: [create(ValueInfoProtoSchema, { name: "product" })],
  });
  const opset = create(OperatorSetIdProtoSchema, { domain: "", version: 13n });
  return create(ModelProtoSchema, { irVersion: 8n, opsetImport: [opset], graph }) as Model;
}
