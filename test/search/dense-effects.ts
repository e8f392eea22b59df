import type { Relevance } from "../../shared/search/effects/effects-model.js";
import { type Codes, type EncodedSpace, INACTIVE } from "../../shared/search/space/encoding.js";

/** Reference implementation of the additive model: Gaussian algebra over the effects with dense matrices. */

type Matrix = readonly (readonly number[])[];

interface DensePosterior {
  readonly mean: readonly number[];
  readonly covariance: Matrix;
}

/** Covariance of the effects of one parameter's choices, per unit of its variance. */
export function choiceCovariance(choices: number, isOrdinal: boolean): Matrix {
  const alike = (i: number, j: number): number =>
    isOrdinal
      ? 0.65 * Math.exp(-0.5 * ((i - j) / (0.3 * (choices - 1))) ** 2) + (i === j ? 0.35 : 0)
      : i === j
        ? 1
        : 0;
  const plain = square(choices, alike);
  const means = plain.map((row) => sum(row) / choices);
  const mean = sum(means) / choices;
  const centred = square(choices, (i, j) => plain[i]![j]! - means[i]! - means[j]! + mean);
  const scale = sum(centred.map((row, i) => row[i]!)) / choices;
  return centred.map((row) => row.map((value) => value / scale));
}

/** Prior covariance matrix of all effects, the intercept last. */
function priorCovariance(encoded: EncodedSpace, { variance }: Relevance): Matrix {
  const { offset, size, cardinality, ordinal } = encoded;
  const all = square(offset[size]! + 1, () => 0).map((row) => [...row]);
  all[offset[size]!]![offset[size]!] = 1;
  for (let d = 0; d < size; d++) {
    for (const [i, row] of choiceCovariance(cardinality[d]!, ordinal[d] === 1).entries()) {
      for (const [j, value] of row.entries()) {
        all[offset[d]! + i]![offset[d]! + j] = variance[d]! * value;
      }
    }
  }
  return all;
}

export function densePosterior(
  encoded: EncodedSpace,
  relevance: Relevance,
  observations: readonly Codes[],
  outcomes: ArrayLike<number>,
): DensePosterior {
  const prior = priorCovariance(encoded, relevance);
  const features = observations.map((codes) => featuresOf(encoded, codes));
  const spread = features.map((row) => prior.map((line) => product(line, row)));
  const precision = inverse(
    square(features.length, (i, j) => product(features[i]!, spread[j]!) + (i === j ? relevance.noise : 0)),
  );
  const weights = precision.map((row) => product(row, Array.from(outcomes)));
  const explained = (a: number, b: number) =>
    sum(
      spread.map(
        (row, i) =>
          row[a]! *
          product(
            precision[i]!,
            spread.map((line) => line[b]!),
          ),
      ),
    );
  return {
    mean: prior.map((_, k) => sum(spread.map((row, i) => row[k]! * weights[i]!))),
    covariance: square(prior.length, (a, b) => prior[a]![b]! - explained(a, b)),
  };
}

/** Indicator vector of a configuration: 1 for each of its choices and for the intercept. */
function featuresOf({ offset, size }: EncodedSpace, codes: Codes): number[] {
  const row = new Array<number>(offset[size]! + 1).fill(0);
  for (const [d, code] of codes.entries()) {
    if (code !== INACTIVE) {
      row[offset[d]! + code] = 1;
    }
  }
  row[offset[size]!] = 1;
  return row;
}

/** Inverse of a positive definite matrix by Gauss-Jordan elimination without pivoting. */
function inverse(matrix: Matrix): Matrix {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  for (let pivot = 0; pivot < n; pivot++) {
    const scale = rows[pivot]![pivot]!;
    rows[pivot] = rows[pivot]!.map((value) => value / scale);
    for (let i = 0; i < n; i++) {
      const factor = rows[i]![pivot]!;
      if (i !== pivot) {
        rows[i] = rows[i]!.map((value, k) => value - factor * rows[pivot]![k]!);
      }
    }
  }
  return rows.map((row) => row.slice(n));
}

/** Pseudo-inverse of a choice covariance, whose null space is the constant vector. */
export function pseudoInverse(covariance: Matrix): Matrix {
  const n = covariance.length;
  const regular = covariance.map((row) => row.map((value) => value + 1 / n));
  return inverse(regular).map((row) => row.map((value) => value - 1 / n));
}

export function square(n: number, element: (i: number, j: number) => number): Matrix {
  return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => element(i, j)));
}

export function product(a: readonly number[], b: readonly number[]): number {
  return sum(a.map((value, i) => value * b[i]!));
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
