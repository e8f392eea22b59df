import type { CodeType } from "../../onnx/graph/qdq-nodes.js";
import type { LiftTarget } from "../../onnx/lift/opset.js";
import { DataType } from "../../onnx/model/tensor.js";
import type { Scheme } from "./hardware.js";

/**
 * The tensor type that holds signed codes of weights. 2-bit codes lie in 4-bit ones: of the INT2 weights of
 * operator set 25, ONNX Runtime 1.30 makes QGemm and MatMulIntegerToFloat, which it then refuses to load.
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
 * The tensor type that holds unsigned codes of activations. Narrower ones lie in 8-bit codes and are clipped to their
 * levels: ONNX Runtime 1.30 makes a QLinearConv of UINT4 activations and INT8 weights, which it then refuses to load.
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

/** QuantizeLinear and DequantizeLinear take scales a channel from this operator set on, and 8-bit codes. */
const OPSET_8_BIT: LiftTarget = 13;
/** They take 4-bit and 16-bit codes from this operator set on. */
const OPSET_OTHER_WIDTHS: LiftTarget = 21;

/** The operator set in which QuantizeLinear and DequantizeLinear know codes of all these widths. */
export function opsetOf(widths: Iterable<Scheme["bits"]>): LiftTarget {
  for (const bits of widths) if (bits !== 8) return OPSET_OTHER_WIDTHS;
  return OPSET_8_BIT;
}
