import { create } from "@bufbuild/protobuf";
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type TensorProto,
  TensorProtoSchema,
} from "onnx-buf";
import { ModelError } from "../../basics/errors.js";

export { DataType };

/** Types of the tensor data that quantfleet writes into models. */
export type TensorData =
  | Float32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

const BYTES_PER_ELEMENT: Partial<Record<DataType, number>> = {
  [DataType.FLOAT]: 4,
  [DataType.INT32]: 4,
  [DataType.UINT32]: 4,
  [DataType.INT64]: 8,
  [DataType.UINT64]: 8,
  [DataType.DOUBLE]: 8,
  [DataType.FLOAT16]: 2,
  [DataType.BFLOAT16]: 2,
  [DataType.INT16]: 2,
  [DataType.UINT16]: 2,
  [DataType.INT8]: 1,
  [DataType.UINT8]: 1,
  [DataType.BOOL]: 1,
  [DataType.COMPLEX64]: 8,
  [DataType.COMPLEX128]: 16,
  [DataType.FLOAT8E4M3FN]: 1,
  [DataType.FLOAT8E4M3FNUZ]: 1,
  [DataType.FLOAT8E5M2]: 1,
  [DataType.FLOAT8E5M2FNUZ]: 1,
  // Two elements per byte.
  [DataType.INT4]: 1 / 2,
  [DataType.UINT4]: 1 / 2,
};

export function dimensions(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Bytes per element, which may be a fraction; 0 for types of no fixed or unknown width. */
export function bytesPerElement(dataType: number): number {
  return BYTES_PER_ELEMENT[dataType as DataType] ?? 0;
}

/** Bytes of a tensor's contents, whichever field holds them; 0 for strings, which have no fixed width. */
export function tensorBytes(tensor: TensorProto): number {
  return Math.ceil(elementCount(dimensions(tensor)) * bytesPerElement(tensor.dataType));
}

/**
 * The contents of a FLOAT tensor in row-major order; a view where alignment allows.
 * @throws {ModelError} when the tensor has another type, or a number of elements that its shape does not have
 */
export function floatValues(tensor: TensorProto): Float32Array {
  if (tensor.dataType !== DataType.FLOAT) {
    throw new ModelError(
      `Initializer "${tensor.name}" has element type ${DataType[tensor.dataType] ?? tensor.dataType} where FLOAT is needed; export the model in float32.`,
    );
  }
  const values =
    tensor.rawData.byteLength > 0 ? rawFloats(tensor.rawData) : Float32Array.from(tensor.floatData);
  checkLength(tensor, values.length);
  return values;
}

/**
 * The contents of an INT64 or INT32 tensor that take part in arithmetic, such as axes.
 * @throws {ModelError} as {@link exactIntValues}, and when a value exceeds the integers that a number holds
 * exactly
 */
export function intValues(tensor: TensorProto): number[] {
  return exactIntValues(tensor).map((value) => {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw new ModelError(
      `Initializer "${tensor.name}" holds ${value}, which is no size or axis; export the model again.`,
    );
  });
}

/**
 * The contents of an INT64 or INT32 tensor in all their bits.
 * @throws {ModelError} when the tensor has another type, or a number of elements that its shape does not have
 */
export function exactIntValues(tensor: TensorProto): bigint[] {
  const raw = tensor.rawData;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  let values: bigint[];
  switch (tensor.dataType) {
    case DataType.INT64:
      values =
        raw.byteLength > 0
          ? Array.from({ length: raw.byteLength / 8 }, (_, i) => view.getBigInt64(8 * i, true))
          : [...tensor.int64Data];
      break;
    case DataType.INT32:
      values =
        raw.byteLength > 0
          ? Array.from({ length: raw.byteLength / 4 }, (_, i) => BigInt(view.getInt32(4 * i, true)))
          : tensor.int32Data.map(BigInt);
      break;
    default:
      throw new ModelError(
        `Initializer "${tensor.name}" has element type ${DataType[tensor.dataType] ?? tensor.dataType} where an integer is needed; check the exporter.`,
      );
  }
  checkLength(tensor, values.length);
  return values;
}

export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === DataLocation.EXTERNAL;
}

/** Makes an ONNX tensor that shares the memory of `data`. */
export function makeTensor(
  name: string,
  dataType: DataType,
  dims: readonly number[],
  data: TensorData,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

function rawFloats(raw: Uint8Array<ArrayBuffer>): Float32Array {
  const aligned = raw.byteOffset % 4 === 0 ? raw : new Uint8Array(raw);
  return new Float32Array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / 4));
}

function checkLength(tensor: TensorProto, found: number): void {
  const expected = elementCount(dimensions(tensor));
  if (found !== expected) {
    throw new ModelError(
      `Initializer "${tensor.name}" holds ${found} elements where its shape [${dimensions(tensor).join(", ")}] says ${expected}; the file is damaged, export it again.`,
    );
  }
}
