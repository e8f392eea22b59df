import { DataType } from "./tensor.js";

/** Whether ONNX keeps two of a type's elements in a byte. */
export function isPacked(dataType: DataType): boolean {
  return dataType === DataType.INT4 || dataType === DataType.UINT4;
}

/**
 * 4-bit codes two to a byte, the first in the lower half, as ONNX lays INT4 and UINT4 tensors out; where their number is
 * odd, the last half is zero. Signed codes are in two's complement.
 */
export function packCodes(codes: ArrayLike<number>): Uint8Array {
  const packed = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < codes.length; i++) packed[i >> 1]! |= (codes[i]! & 0xf) << (4 * (i & 1));
  return packed;
}

/**
 * The codes that {@link packCodes} packed.
 * @param length how many there are, as the last byte may hold one only
 */
export function unpackCodes(packed: Uint8Array, length: number, signed: boolean): Int8Array {
  return Int8Array.from({ length }, (_, i) => {
    const code = (packed[i >> 1]! >> (4 * (i & 1))) & 0xf;
    return signed && code > 7 ? code - 16 : code;
  });
}
