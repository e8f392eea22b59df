import type { CodeType } from "../../onnx/graph/code-tensor.js";
import type { LiftTarget } from "../../onnx/lift/opset.js";
import { DataType } from "../../onnx/model/tensor.js";
import type { Scheme } from "./hardware.js";

/**
 * The ONNX tensor type in which signed weight codes are stored. 2-bit codes are stored as INT4: with the INT2
 * weights of operator set 25, ONNX Runtime 1.30 fuses to QGemm and MatMulIntegerToFloat, which it then fails to
 * load.
 */
export function weightCodeType(bits: Scheme["bits"]): CodeType {
  switch (bits) {
    case 2:
    case 4:
      return DataType.INT4;
    case 8:
      return DataType.INT8;
    case 16:
      return DataType.INT16;
  }
}

/**
 * The ONNX tensor type in which unsigned activation codes are stored. Codes of fewer than 8 bits are stored as
 * UINT8 and clipped to their levels: with UINT4 activations and INT8 weights, ONNX Runtime 1.30 fuses to a
 * QLinearConv, which it then fails to load.
 */
export function activationCodeType(bits: Scheme["bits"]): CodeType {
  switch (bits) {
    case 2:
    case 4:
    case 8:
      return DataType.UINT8;
    case 16:
      return DataType.UINT16;
  }
}

/**
 * The first operator set in which QuantizeLinear and DequantizeLinear support 8-bit codes with scales per
 * channel.
 */
const OPSET_8_BIT: LiftTarget = 13;
/** The first operator set in which QuantizeLinear and DequantizeLinear support 4-bit and 16-bit codes. */
const OPSET_OTHER_WIDTHS: LiftTarget = 21;

/** The ONNX operator set that a model needs for codes of all these bit widths. */
export function opsetOf(widths: Iterable<Scheme["bits"]>): LiftTarget {
  for (const bits of widths) if (bits !== 8) return OPSET_OTHER_WIDTHS;
  return OPSET_8_BIT;
}
