import type { GraphProto, TypeProto, ValueInfoProto } from "onnx-buf";
import { nestedGraphs } from "../model/attributes.js";

/** What exporters write for a size that they do not know; some number them. */
const UNKNOWN =
  /^$|^(?:\?+|\*+|n\/?a|nan|nil|none|null|unk|unknown|undef|undefined|any|dyn|dynamic|(?:p2o\.)?(?:free|dynamic|unknown)_?dim(?:ension)?)[_.-]*\d*$|^-\d+$/i;

/** Whether a dimension's name says no more than that its size is unknown, so that two of that name may differ. */
export function isUnknownDimension(name: string): boolean {
  return UNKNOWN.test(name.trim());
}

/**
 * Takes such names, and sizes below zero, off the dimensions of a graph and of the bodies within, in place: ONNX Runtime
 * takes dimensions of one name for equal, and then gives two tensors of different sizes the same memory.
 */
export function forgetUnknownDimensions(graph: GraphProto): void {
  for (const info of [...graph.input, ...graph.output, ...graph.valueInfo]) forgetIn(info);
  for (const node of graph.node) nestedGraphs(node).forEach(forgetUnknownDimensions);
}

function forgetIn({ type }: ValueInfoProto): void {
  for (const dimension of tensorTypeOf(type)?.shape?.dim ?? []) {
    const { value } = dimension;
    const isUnknown =
      (value.case === "dimParam" && isUnknownDimension(value.value)) ||
      (value.case === "dimValue" && value.value < 0n);
    if (isUnknown) dimension.value = { case: undefined };
  }
}

/** The type of a tensor, or of the tensors in a sequence or optional value. */
function tensorTypeOf(type: TypeProto | undefined) {
  switch (type?.value.case) {
    case "tensorType":
      return type.value.value;
    case "sequenceType":
    case "optionalType":
      return tensorTypeOf(type.value.value.elemType);
    default:
      return undefined;
  }
}
