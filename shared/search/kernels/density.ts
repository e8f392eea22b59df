import { logSumExp } from "../numerics/log-domain.js";
import type { RandomStream } from "../numerics/random.js";
import type { Codes } from "../space/encoding.js";
import { type CoordinateKernels, centreIndices, ProductKernelTable } from "./kernels.js";

/**
 * A Parzen estimate (kernel density) over whole configurations (Watanabe, arXiv 2304.11127): a weighted sum of
 * one component per member (a trial's configuration; the product of the kernels around its choices) and one for
 * the prior. A kernel whose member lacks a parameter uses the prior for that parameter, so each component is a
 * proper distribution over the conditional space and parameters need no partition into groups.
 */
export interface JointDensity {
  readonly kernels: CoordinateKernels;
  readonly members: readonly Codes[];
  /**
   * For each member and, last, for the prior the indices into a {@link ProductKernelTable}, whose entries are
   * summed to a log probability ({@link centreIndices}).
   */
  readonly indices: readonly Int32Array[];
  /** Weights of the members; together with `priorWeight` they sum to one. */
  readonly weights: Float64Array;
  readonly priorWeight: number;
  /** Logarithms of the members' weights and, last, of the prior's. */
  readonly logWeights: Float64Array;
}

/**
 * Builds the kernel density around members (configurations of trials). Its weights are copies, divided so that they and
 * the prior's sum to 1.
 *
 * @param weights positive, one per member; `priorWeight` is on the same scale
 * @param indicesOf a member's indices into the kernel table, or the prior's for `undefined`: {@link centreIndices}, or a
 *   function that caches it
 */
export function createJointDensity(
  kernels: CoordinateKernels,
  members: readonly Codes[],
  weights: ArrayLike<number>,
  priorWeight: number,
  indicesOf: (centre: Codes | undefined) => Int32Array = (centre) => centreIndices(kernels.encoded, centre),
): JointDensity {
  let total = priorWeight;
  for (let i = 0; i < members.length; i++) {
    total += weights[i]!;
  }
  const shares = Float64Array.from(members, (_, i) => weights[i]! / total);
  return {
    kernels,
    members,
    indices: [...members.map(indicesOf), indicesOf(undefined)],
    weights: shares,
    priorWeight: priorWeight / total,
    logWeights: Float64Array.from([...shares, priorWeight / total], Math.log),
  };
}

/**
 * Logarithm of the density of a configuration.
 *
 * @param table filled for the configuration, with the density's kernels
 */
export function logDensityOf(density: JointDensity, table: ProductKernelTable): number {
  const { indices, logWeights } = density;
  const terms = new Float64Array(indices.length);
  for (let i = 0; i < terms.length; i++) {
    terms[i] = logWeights[i]! + table.around(indices[i]!);
  }
  return logSumExp(terms);
}

/** Logarithm of the density of a configuration. */
export function logJointDensity(density: JointDensity, codes: Codes): number {
  const table = new ProductKernelTable(density.kernels);
  table.tabulate(codes);
  return logDensityOf(density, table);
}

/**
 * Draws a component of the density at random, by weight: returns its member (the configuration at its centre),
 * or `undefined` for the prior.
 */
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
