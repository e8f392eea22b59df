import type { GraphIndex } from "../onnx/graph-index.js";
import { largestHalvedCode, largestNarrowCode } from "./affine.js";
import type { QuantizerLayout, WeightQuantizer } from "./groups.js";
import { type Scheme, widthOf } from "./hardware.js";

import type { OperandView } from "./quantizable-ops.js";

/** Which weights give up a bit: those of the first convolutions behind the model's inputs, or all. */
export type SaturationFix = "first_layer" | "all";

/**
 * Marks the weights that the saturation fix (reference section 4.6) halves: x86 processors without VNNI add the products
 * of two activations and two weights in 16 bits, which saturate. A model without a Conv is left alone.
 *
 * @param aligned keys of the ops that ActivationChannelAlignment rewrote as consumers, whose weights always belong to them
 */
export function withSaturationFix(
  layout: QuantizerLayout,
  { index }: OperandView,
  fix: SaturationFix | undefined,
  aligned: ReadonlySet<string> = new Set(),
): QuantizerLayout {
  if (fix === undefined || !index.nodes.some(isConvolution)) return layout;
  const first = fix === "first_layer" ? firstConvolutions(index) : undefined;
  const isHalved = ({ ops }: WeightQuantizer): boolean =>
    first === undefined || ops.some((key) => first.has(key) || aligned.has(key));
  return {
    ...layout,
    weights: new Map(
      [...layout.weights].map(([id, weight]) => [
        id,
        isHalved(weight) ? { ...weight, halved: true } : weight,
      ]),
    ),
  };
}

/** Whether a scheme's codes are so large that halving them saves anything: ONNX Runtime multiplies 8-bit codes only. */
export function canSaturate(scheme: Scheme): boolean {
  const largest = largestNarrowCode(widthOf(scheme));
  return scheme.bits === 8 && scheme.mode === "symmetric" && largest > largestHalvedCode(8);
}

/** First outputs of the Convs that are met first on some way down from the inputs. */
function firstConvolutions(index: GraphIndex): Set<string> {
  const first = new Set<string>();
  const seen = new Set(index.inputs);
  for (const tensor of seen) {
    for (const { node } of index.consumers(tensor)) {
      if (isConvolution(node)) first.add(node.output[0]!);
      else for (const output of node.output) seen.add(output);
    }
  }
  return first;
}

function isConvolution({ opType, domain }: GraphIndex["nodes"][number]): boolean {
  return opType === "Conv" && domain === "";
}
