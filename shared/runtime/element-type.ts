import { float16Value } from "./float16.js";

/**
 * Element types by ONNX Runtime's names. `float16` elements are bit patterns in a Uint16Array, `bool`
 * elements 0 and 1.
 */
export type ElementType =
  | "float16"
  | "float32"
  | "float64"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool";

export type Elements =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const BYTES: Readonly<Record<ElementType, number>> = {
  float16: 2,
  float32: 4,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
};

export function isElementType(name: string): name is ElementType {
  return Object.hasOwn(BYTES, name);
}

export function bytesPerElement(type: ElementType): number {
  return BYTES[type];
}

export function isFloating(type: ElementType): boolean {
  return type === "float16" || type === "float32" || type === "float64";
}

/** A view of `length` elements; `buffer` and `offset` must be aligned for the type. */
export function viewElements(
  type: ElementType,
  buffer: ArrayBuffer,
  offset: number,
  length: number,
): Elements {
  switch (type) {
    case "float16":
    case "uint16":
      return new Uint16Array(buffer, offset, length);
    case "float32":
      return new Float32Array(buffer, offset, length);
    case "float64":
      return new Float64Array(buffer, offset, length);
    case "int8":
      return new Int8Array(buffer, offset, length);
    case "uint8":
    case "bool":
      return new Uint8Array(buffer, offset, length);
    case "int16":
      return new Int16Array(buffer, offset, length);
    case "int32":
      return new Int32Array(buffer, offset, length);
    case "uint32":
      return new Uint32Array(buffer, offset, length);
    case "int64":
      return new BigInt64Array(buffer, offset, length);
    case "uint64":
      return new BigUint64Array(buffer, offset, length);
  }
}

export function allocateElements(type: ElementType, length: number): Elements {
  return viewElements(type, new ArrayBuffer(length * bytesPerElement(type)), 0, length);
}

/** The smallest and largest value of an integer type; `undefined` for floating types. */
export function integerRange(type: ElementType): readonly [low: number, high: number] | undefined {
  switch (type) {
    case "float16":
    case "float32":
    case "float64":
      return undefined;
    case "bool":
      return [0, 1];
    case "int8":
    case "int16":
    case "int32":
    case "int64": {
      const half = 2 ** (8 * bytesPerElement(type) - 1);
      return [-half, half - 1];
    }
    case "uint8":
    case "uint16":
    case "uint32":
    case "uint64":
      return [0, 2 ** (8 * bytesPerElement(type)) - 1];
  }
}

/**
 * The elements as an array of JavaScript numbers, without a copy where they already are one. 64-bit integers
 * beyond 2^53 lose their low bits.
 */
export function asNumbers(
  type: ElementType,
  elements: Elements,
): Exclude<Elements, BigInt64Array | BigUint64Array> {
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) {
    return Float64Array.from(elements, Number);
  }
  // From Node 24 on, ONNX Runtime returns a Float16Array, whose elements are numbers already.
  if (type === "float16" && elements instanceof Uint16Array) return Float32Array.from(elements, float16Value);
  return elements;
}
