import { activationChannelAlignment } from "./activation-channel-alignment.js";
import { adaptiveRounding } from "./adaptive-rounding.js";
import type { Algorithm } from "./algorithm.js";
import { biasCorrection } from "./bias-correction.js";
import { crossLayerEqualization } from "./cross-layer-equalization.js";
import { fastBiasCorrection } from "./fast-bias-correction.js";
import { smoothQuant } from "./smooth-quant.js";
import { weightBiasCorrection } from "./weight-bias-correction.js";

/** All algorithms besides the quantization itself, in the order in which they run. */
export const ALGORITHMS = [
  crossLayerEqualization,
  smoothQuant,
  activationChannelAlignment,
  adaptiveRounding,
  weightBiasCorrection,
  fastBiasCorrection,
  biasCorrection,
] as const satisfies readonly Algorithm[];

/** @returns the algorithm of this name; `undefined` for the name of a quantization or of anything else */
export function findAlgorithm(name: string): Algorithm | undefined {
  return ALGORITHMS.find((algorithm) => algorithm.name === name);
}

/**
 * Whether the algorithm changes the float model, so that statistics are gathered again for each of its
 * settings.
 */
export function rewritesFloatModel({ name }: { readonly name: string }): boolean {
  return findAlgorithm(name)?.stage === "rewrite";
}
