import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { QuantizerLayout, WeightQuantizer } from "./groups.js";
import type { OperandView } from "./quantizable-ops.js";

/**
 * Which weights get codes with which integer kernels cannot saturate (overflow their 16-bit sums). `auto`: all
 * that would saturate on the target processor. `first_layer` and `all`: 7-bit codes for the first convolutions
 * after the model's inputs, or for all weights, on every processor (docs/reference/algorithms.md, "Saturation
 * fix").
 */
export type SaturationFix = "auto" | "no" | "first_layer" | "all";

/**
 * Marks the weights to which the saturation fix applies: x86 processors without VNNI sum the products of two
 * activations and two weights in 16 bits, which can saturate. As in POT, `first_layer` and `all` change
 * nothing in a model without a Conv.
 *
 * @param aligned keys of the ops that ActivationChannelAlignment rewrote as consumers; `first_layer` marks
 *   them too
 */
export function withSaturationFix(
  layout: QuantizerLayout,
  { index }: OperandView,
  fix: SaturationFix,
  aligned: ReadonlySet<string> = new Set(),
): QuantizerLayout {
  if (fix === "no") return layout;
  if (fix === "auto") return withFix(layout, "exact", () => true);
  if (!index.nodes.some(isConvolution)) return layout;
  const first = fix === "first_layer" ? firstConvolutions(index) : undefined;
  const isMarked = ({ ops }: WeightQuantizer): boolean =>
    first === undefined || ops.some((key) => first.has(key) || aligned.has(key));
  return withFix(layout, "seven bits", isMarked);
}

function withFix(
  layout: QuantizerLayout,
  saturationFix: NonNullable<WeightQuantizer["saturationFix"]>,
  isMarked: (weight: WeightQuantizer) => boolean,
): QuantizerLayout {
  return {
    ...layout,
    weights: new Map(
      [...layout.weights].map(([id, weight]) => [
        id,
        isMarked(weight) ? { ...weight, saturationFix } : weight,
      ]),
    ),
  };
}

/** Keys (names of the first outputs) of the Convs that are the first Conv on some path from the model's inputs. */
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
