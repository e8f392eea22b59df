import { logSumExp } from "../numerics/log-domain.js";
import type { RandomStream } from "../numerics/random.js";
import type { Codes } from "../space/encoding.js";
import { type CoordinateKernels, centrePlaces, ProductKernelTable } from "./kernels.js";

/**
 * A Parzen estimate over whole configurations (Watanabe, arXiv 2304.11127): a weighted sum over members of the
 * product of their coordinate kernels, and the prior as one more component. Conditional parameters need no
 * partition into groups: a kernel whose member lacks a parameter gives that parameter its prior, so each
 * component is a proper distribution over the conditional space.
 */
export interface JointDensity {
  readonly kernels: CoordinateKernels;
  readonly members: readonly Codes[];
  /** Of the members and last of the prior, in a table of product kernels. */
  readonly places: readonly Int32Array[];
  /** Weights of the members; they add up to one with `priorWeight`. */
  readonly weights: Float64Array;
  readonly priorWeight: number;
  /** Logarithms of the weights, the prior's last. */
  readonly logWeights: Float64Array;
}

/**
 * @param weights positive, one a member; `priorWeight` is on the same scale
 * @param placesOf {@link centrePlaces} of a member, or something that remembers them
 */
export function createJointDensity(
  kernels: CoordinateKernels,
  members: readonly Codes[],
  weights: ArrayLike<number>,
  priorWeight: number,
  placesOf: (centre: Codes | undefined) => Int32Array = (centre) => centrePlaces(kernels.encoded, centre),
): JointDensity {
  let total = priorWeight;
  for (let i = 0; i < members.length; i++) {
    total += weights[i]!;
  }
  const shares = Float64Array.from(members, (_, i) => weights[i]! / total);
  return {
    kernels,
    members,
    places: [...members.map(placesOf), placesOf(undefined)],
    weights: shares,
    priorWeight: priorWeight / total,
    logWeights: Float64Array.from([...shares, priorWeight / total], Math.log),
  };
}

/**
 * Logarithm of the density of a configuration.
 *
 * @param table of the configuration, under the kernels of the density
 */
export function logDensityOf(density: JointDensity, table: ProductKernelTable): number {
  const { places, logWeights } = density;
  const terms = new Float64Array(places.length);
  for (let i = 0; i < terms.length; i++) {
    terms[i] = logWeights[i]! + table.around(places[i]!);
  }
  return logSumExp(terms);
}

/** Logarithm of the density of a configuration. */
export function logJointDensity(density: JointDensity, codes: Codes): number {
  const table = new ProductKernelTable(density.kernels);
  table.tabulate(codes);
  return logDensityOf(density, table);
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
