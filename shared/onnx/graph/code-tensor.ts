import type { TensorProto } from "onnx-buf";
import { isPacked, packCodes } from "../model/packed-codes.js";
import { DataType, makeTensor } from "../model/tensor.js";

/** Element types of codes, the integers that stand for quantized values. */
export type CodeType =
  | DataType.INT4
  | DataType.UINT4
  | DataType.INT8
  | DataType.UINT8
  | DataType.INT16
  | DataType.UINT16
  | DataType.INT32;

/** A tensor of codes (the integers that stand for quantized values); 4-bit codes are packed two per byte. */
export function codeTensor(
  name: string,
  dataType: CodeType,
  dims: readonly number[],
  codes: ArrayLike<number>,
): TensorProto {
  return makeTensor(
    name,
    dataType,
    dims,
    isPacked(dataType) ? packCodes(codes) : asElements(dataType, codes),
  );
}

/** The codes as a typed array of their type, without a copy when they already are one. */
function asElements(
  dataType: CodeType,
  codes: ArrayLike<number>,
): Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array {
  switch (dataType) {
    case DataType.INT4:
    case DataType.INT8:
      return codes instanceof Int8Array ? codes : Int8Array.from(codes);
    case DataType.UINT4:
    case DataType.UINT8:
      return codes instanceof Uint8Array ? codes : Uint8Array.from(codes);
    case DataType.INT16:
      return codes instanceof Int16Array ? codes : Int16Array.from(codes);
    case DataType.UINT16:
      return codes instanceof Uint16Array ? codes : Uint16Array.from(codes);
    case DataType.INT32:
      return codes instanceof Int32Array ? codes : Int32Array.from(codes);
  }
}
