import type { ModelProto, TensorProto } from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { modelTensors } from "./model-tensors.js";
import { DataType, elementCount, isExternal, tensorBytes } from "./tensor.js";

/** Number of elements in the typed field that a message uses for each data type when it has no raw data. */
const FIELDS: Partial<Record<DataType, (tensor: TensorProto) => number>> = {
  [DataType.FLOAT]: ({ floatData }) => floatData.length,
  [DataType.DOUBLE]: ({ doubleData }) => doubleData.length,
  [DataType.INT64]: ({ int64Data }) => int64Data.length,
  [DataType.UINT32]: ({ uint64Data }) => uint64Data.length,
  [DataType.UINT64]: ({ uint64Data }) => uint64Data.length,
  [DataType.STRING]: ({ stringData }) => stringData.length,
  [DataType.INT32]: ({ int32Data }) => int32Data.length,
  [DataType.INT16]: ({ int32Data }) => int32Data.length,
  [DataType.INT8]: ({ int32Data }) => int32Data.length,
  [DataType.UINT16]: ({ int32Data }) => int32Data.length,
  [DataType.UINT8]: ({ int32Data }) => int32Data.length,
  [DataType.BOOL]: ({ int32Data }) => int32Data.length,
  [DataType.FLOAT16]: ({ int32Data }) => int32Data.length,
  [DataType.BFLOAT16]: ({ int32Data }) => int32Data.length,
};

/**
 * Checks that each constant of a model has a possible shape, and that its data in the message have the length
 * that the shape needs, before memory is allocated for it. Data in external files are checked when they are
 * read.
 *
 * @param origin how errors name the model
 * @throws {ModelError}
 */
export function requireTensorSizes(model: ModelProto, origin: string): void {
  const graphs = [...(model.graph === undefined ? [] : [model.graph]), ...model.functions];
  for (const graph of graphs) {
    const { dense, sparse } = modelTensors(graph);
    for (const tensor of dense) {
      requireSize(tensor.name, tensor.dims, origin);
      if (!isExternal(tensor)) requireContents(tensor, origin);
    }
    for (const { values, indices, dims } of sparse) {
      requireSize(values?.name ?? "", dims, origin);
      for (const part of [values, indices]) {
        if (part === undefined) continue;
        requireSize(part.name, part.dims, origin);
        if (isExternal(part)) {
          throw new ModelError(
            `${origin}: sparse tensor "${part.name}" keeps its data in another file, which is not read; export it as a dense one.`,
          );
        }
        requireContents(part, origin);
      }
    }
  }
}

function requireSize(name: string, dims: readonly bigint[], origin: string): void {
  const count = dims.reduce((product, dim) => product * dim, 1n);
  if (dims.every((dim) => dim >= 0n) && count <= BigInt(Number.MAX_SAFE_INTEGER)) return;
  throw new ModelError(
    `${origin}: tensor "${name}" has shape [${dims.join(", ")}], which no tensor can have; export the model again.`,
  );
}

function requireContents(tensor: TensorProto, origin: string): void {
  const { name, dataType, rawData } = tensor;
  const dims = tensor.dims.map(Number);
  const type = DataType[dataType] ?? String(dataType);
  const declared = `its shape [${dims.join(", ")}] of ${type} needs`;
  const refuse = (found: string): never => {
    throw new ModelError(
      `${origin}: tensor "${name}" holds ${found}; the file is damaged, export the model again.`,
    );
  };
  if (rawData.byteLength > 0) {
    const bytes = tensorBytes(tensor);
    // Tensors of element types of unknown width are left for ONNX Runtime to check.
    if (bytes !== rawData.byteLength && (bytes > 0 || elementCount(dims) === 0)) {
      refuse(`${rawData.byteLength} bytes where ${declared} ${bytes}`);
    }
    return;
  }
  const field = FIELDS[dataType as DataType];
  const expected = elementCount(dims);
  const found = field?.(tensor) ?? 0;
  if (field === undefined && hasOtherData(tensor)) return;
  if (found !== expected) refuse(`${found} elements where ${declared} ${expected}`);
}

function hasOtherData({ int32Data, floatData, doubleData, uint64Data }: TensorProto): boolean {
  return [int32Data, floatData, doubleData, uint64Data].some(({ length }) => length > 0);
}
