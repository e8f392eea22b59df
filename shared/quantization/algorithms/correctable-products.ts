import { type ConstantProduct, constantProduct } from "../graph/constant-products.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import { findQuantizableOps } from "../graph/quantizable-ops.js";
import type { LaidOutModel } from "./algorithm.js";

interface CorrectableScope {
  readonly ignored: IgnoredScope;
  /** Whether products whose weights always stay in float are correctable as well. */
  readonly everyNode?: boolean;
}

/** The products (Conv, MatMul, Gemm) with constant weights whose bias may be corrected, in topological order. */
export function correctableProducts(
  { layout, view }: Pick<LaidOutModel, "layout" | "view">,
  { ignored, everyNode }: CorrectableScope,
): ConstantProduct[] {
  const ops =
    everyNode === true
      ? findQuantizableOps({ ...view, inFloat: new Map() })
          .ops.filter(({ role }) => role === "weighted")
          .map((op) => layout.ops.get(op.key) ?? op)
      : [...layout.ops.values()];
  return ops.filter(({ node }) => !isIgnored(node, ignored)).flatMap((op) => constantProduct(op, view) ?? []);
}
