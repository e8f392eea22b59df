import type { GraphProto, TypeProto, ValueInfoProto } from "onnx-buf";
import { nestedGraphs } from "../model/attributes.js";

/** Matches names that exporters give to dimensions of unknown size, some with a number. */
const UNKNOWN =
  /^$|^(?:\?+|\*+|n\/?a|nan|nil|none|null|unk|unknown|undef|undefined|any|dyn|dynamic|(?:p2o\.)?(?:free|dynamic|unknown)_?dim(?:ension)?)[_.-]*\d*$|^-\d+$/i;

/**
 * Whether a dimension's name only says that its size is unknown, so that two dimensions of that name may
 * differ.
 */
export function isUnknownDimension(name: string): boolean {
  return UNKNOWN.test(name.trim());
}

/**
 * Removes unknown-size names and negative sizes from the dimensions of a graph and of nested bodies, in
 * place. ONNX Runtime assumes that dimensions of one name are equal, and then lets tensors of different sizes
 * share memory.
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

/** The tensor type of a value: its own, or that of the elements of a sequence or optional. */
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
