import { DataType } from "./tensor.js";

/** Whether ONNX packs two elements of the type into a byte. */
export function isPacked(dataType: DataType): boolean {
  return dataType === DataType.INT4 || dataType === DataType.UINT4;
}

/**
 * Packs 4-bit codes two per byte, the first in the low half, as ONNX stores INT4 and UINT4 tensors. Signed
 * codes are in two's complement. When their number is odd, the last high half is zero.
 */
export function packCodes(codes: ArrayLike<number>): Uint8Array {
  const packed = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < codes.length; i++) packed[i >> 1]! |= (codes[i]! & 0xf) << (4 * (i & 1));
  return packed;
}

/**
 * Unpacks the codes of {@link packCodes}.
 * @param length number of codes, needed because the last byte may hold only one
 */
export function unpackCodes(packed: Uint8Array, length: number, signed: boolean): Int8Array {
  return Int8Array.from({ length }, (_, i) => {
    const code = (packed[i >> 1]! >> (4 * (i & 1))) & 0xf;
    return signed && code > 7 ? code - 16 : code;
  });
}
