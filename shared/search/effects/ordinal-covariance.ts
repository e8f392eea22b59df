import { GrowingCholesky } from "../numerics/cholesky.js";
import { dot } from "../numerics/vectors.js";
import type { EncodedSpace } from "../space/encoding.js";

/**
 * Share of the prior variance of an ordinal parameter's effects that is a smooth function of the choice. The
 * rest is independent per choice; without it, an effect that jumps between neighbours would be smoothed away.
 */
const SMOOTH_SHARE = 0.65;
/**
 * Length scale of the smooth part of an ordinal parameter's effects, as a share of the distance from the first
 * to the last choice.
 */
const LENGTH_SCALE = 0.3;

/**
 * Prior covariance of the effects of an ordinal parameter's K choices, per unit of the parameter's variance:
 * a Gaussian process over the positions of the choices with a squared-exponential kernel and an independent
 * term (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section 4.2), centred so
 * that effects sum to zero, and scaled to a mean variance of one. Matrices are K x K, in row-major order.
 */
export interface OrdinalCovariance {
  readonly choices: number;
  /** Covariance of the effects of the K choices; of rank K - 1, as its rows sum to zero. */
  readonly covariance: Float64Array;
  /** A matrix R with covariance = R R'. */
  readonly root: Float64Array;
  /** The pseudo-inverse of `covariance`. */
  readonly precision: Float64Array;
}

const covariancesByCardinality = new Map<number, OrdinalCovariance>();
const covariancesOfSpaces = new WeakMap<EncodedSpace, readonly (OrdinalCovariance | undefined)[]>();

/**
 * The covariance of each parameter's effects; `undefined` for categorical parameters and those of at most two
 * choices, whose effects have the covariance (K I - 1 1') / (K - 1).
 */
export function ordinalCovariances(encoded: EncodedSpace): readonly (OrdinalCovariance | undefined)[] {
  let covariances = covariancesOfSpaces.get(encoded);
  if (covariances === undefined) {
    covariances = Array.from(encoded.ordinal, (ordinal, d) => {
      const choices = encoded.cardinality[d]!;
      return ordinal === 1 && choices > 2 ? ordinalCovariance(choices) : undefined;
    });
    covariancesOfSpaces.set(encoded, covariances);
  }
  return covariances;
}

function ordinalCovariance(choices: number): OrdinalCovariance {
  let known = covariancesByCardinality.get(choices);
  if (known === undefined) {
    known = createOrdinalCovariance(choices);
    covariancesByCardinality.set(choices, known);
  }
  return known;
}

function createOrdinalCovariance(choices: number): OrdinalCovariance {
  const factor = new GrowingCholesky();
  const lower = Array.from({ length: choices }, (_, i) => {
    factor.append(
      Float64Array.from({ length: i + 1 }, (_, j) => {
        const smooth = Math.exp(-0.5 * ((i - j) / (LENGTH_SCALE * (choices - 1))) ** 2);
        return SMOOTH_SHARE * smooth + (i === j ? 1 - SMOOTH_SHARE : 0);
      }),
    );
    return factor.row(i);
  });
  // Subtracting a draw's mean over the choices is linear: it centres the columns of the root.
  const root = new Float64Array(choices * choices);
  for (let column = 0; column < choices; column++) {
    const mean = lower.reduce((sum, row) => sum + (row[column] ?? 0), 0) / choices;
    for (const [i, row] of lower.entries()) {
      root[i * choices + column] = (row[column] ?? 0) - mean;
    }
  }
  const meanVariance = root.reduce((sum, value) => sum + value * value, 0) / choices;
  for (let i = 0; i < root.length; i++) {
    root[i]! /= Math.sqrt(meanVariance);
  }
  const covariance = new Float64Array(choices * choices);
  for (let i = 0; i < choices; i++) {
    for (let j = 0; j < choices; j++) {
      covariance[i * choices + j] = dot(root, i * choices, root, j * choices, choices);
    }
  }
  return { choices, covariance, root, precision: centredPrecision(factor, choices, meanVariance) };
}

/** Pseudo-inverse of the centred covariance, from the Cholesky factor of the uncentred one. */
function centredPrecision(factor: GrowingCholesky, choices: number, meanVariance: number): Float64Array {
  const unit = (at: number) => Float64Array.from({ length: choices }, (_, i) => (i === at ? 1 : 0));
  const columns = Array.from({ length: choices }, (_, i) => factor.solve(unit(i)));
  const sums = columns.map((column) => column.reduce((sum, value) => sum + value, 0));
  const total = sums.reduce((sum, value) => sum + value, 0);
  return Float64Array.from(
    columns.flatMap((column, i) =>
      Array.from(column, (value, j) => meanVariance * (value - (sums[i]! * sums[j]!) / total)),
    ),
  );
}

/**
 * Replaces the values of one parameter's choices by `scale` times their product with a K x K matrix.
 *
 * @param start index of the parameter's first choice in the array of all parameters' choices
 */
export function multiplyChoices(
  matrix: Float64Array,
  scale: number,
  row: Float64Array,
  start: number,
  choices: number,
): void {
  const values = row.slice(start, start + choices);
  for (let i = 0; i < choices; i++) {
    row[start + i] = scale * dot(matrix, i * choices, values, 0, choices);
  }
}

/**
 * The product e' M e of a K x K matrix and the values e of one parameter's choices, which begin at `start` in
 * `row`.
 */
export function quadraticForm(
  matrix: Float64Array,
  row: Float64Array,
  start: number,
  choices: number,
): number {
  let sum = 0;
  for (let i = 0; i < choices; i++) {
    sum += row[start + i]! * dot(matrix, i * choices, row, start, choices);
  }
  return sum;
}
