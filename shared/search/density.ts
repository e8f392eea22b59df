import type { Codes } from "./encoding.js";
import { type CoordinateKernels, logProductKernel } from "./kernels.js";
import { logAddExp } from "./log-domain.js";
import type { RandomStream } from "./random.js";

/**
 * A Parzen estimate over whole configurations (Watanabe, arXiv 2304.11127): a weighted sum over members of the
 * product of their coordinate kernels, and the prior as one more component. Conditional parameters need no
 * partition into groups: a kernel whose member lacks a parameter gives that parameter its prior, so each
 * component is a proper distribution over the conditional space.
 */
export interface JointDensity {
  readonly kernels: CoordinateKernels;
  readonly members: readonly Codes[];
  /** Weights of the members; they add up to one with `priorWeight`. */
  readonly weights: Float64Array;
  readonly priorWeight: number;
}

/** @param weights positive, one a member; `priorWeight` is on the same scale */
export function createJointDensity(
  kernels: CoordinateKernels,
  members: readonly Codes[],
  weights: ArrayLike<number>,
  priorWeight: number,
): JointDensity {
  let total = priorWeight;
  for (let i = 0; i < members.length; i++) {
    total += weights[i]!;
  }
  return {
    kernels,
    members,
    weights: Float64Array.from(members, (_, i) => weights[i]! / total),
    priorWeight: priorWeight / total,
  };
}

/** Logarithm of the density of a configuration. */
export function logJointDensity(density: JointDensity, codes: Codes): number {
  const { kernels, members, weights, priorWeight } = density;
  let sum = Math.log(priorWeight) + logProductKernel(kernels, undefined, codes);
  for (let i = 0; i < members.length; i++) {
    sum = logAddExp(sum, Math.log(weights[i]!) + logProductKernel(kernels, members[i]!, codes));
  }
  return sum;
}

/** Draws a component by its weight: a member, or `undefined` for the prior. */
export function drawMember(density: JointDensity, random: RandomStream): Codes | undefined {
  let remaining = random.uniform() - density.priorWeight;
  if (remaining < 0) {
    return undefined;
  }
  let chosen = 0;
  while (chosen < density.members.length - 1 && remaining >= density.weights[chosen]!) {
    remaining -= density.weights[chosen]!;
    chosen++;
  }
  return density.members[chosen];
}
