import type { Affine } from "../arithmetic/affine.js";
import type { CodeLimits } from "../rewrite/weight-codes.js";
import type { CodeSearch, ValuedCodes } from "./code-search.js";
import { dot, formTimes } from "./quadratic-form.js";

/**
 * Factors by which the range estimator's scale is multiplied, all of which are tried. Steps of .05 gain at most
 * .4 dB and take twice as long.
 */
const SCALE_SHARES = [1, 0.9, 0.8, 0.7];

/** Factor by which the smallest allowed scale is raised, so that a scale rounded to float32 is not below it. */
const FLOAT32_SLACK = 1 + 1e-6;

/**
 * The weights of one output in one block of its input terms, and the search of their codes by the block's
 * quadratic form.
 */
export interface OutputBlock {
  readonly search: CodeSearch;
  readonly weights: Float64Array;
  /** The codes of the weights when each is rounded to nearest. */
  readonly nearest: Int32Array;
}

export interface RoundedOutput {
  readonly affine: Affine;
  /** The chosen codes and their output errors, in the order of the output's blocks of terms. */
  readonly blocks: readonly ValuedCodes[];
}

/**
 * Codes of one output for a scale that all outputs share: those found by the search, or the nearest where these
 * are no worse.
 */
export function roundInScale(
  blocks: readonly OutputBlock[],
  affine: Affine,
  limits: CodeLimits,
): RoundedOutput {
  const [before, after] = [nearestCodes(blocks, affine), searchedCodes(blocks, affine, limits)];
  const better = after.blocks.map((block, b) =>
    block.error < before.blocks[b]!.error ? block : before.blocks[b]!,
  );
  return { affine, blocks: better };
}

/**
 * Codes w' and a scale for one output. Codes of least error shrink the output, as the part of w x that they leave
 * out is correlated with it. So the scale is widened until E[(w' x) (w x)] = E[(w x)²], which is w' H wᵀ = w H wᵀ.
 * Several scales are tried, and the one is taken that then leaves least error: w' H w'ᵀ / (w' H wᵀ)², which is, but
 * for a constant, the inverse squared correlation of both outputs.
 */
export function roundWithScale(
  blocks: readonly OutputBlock[],
  { scale, zeroPoint }: Affine,
  limits: CodeLimits,
  smallestScale = 0,
): RoundedOutput {
  const energy = total(blocks, ({ search, weights }) => dot(weights, formTimes(search.form, weights)));
  const unrounded = nearestCodes(blocks, { scale, zeroPoint });
  const scales = SCALE_SHARES.map((share): Affine => ({ scale: Math.fround(share * scale), zeroPoint }));
  let best = unrounded;
  let least = Number.POSITIVE_INFINITY;
  for (const rounded of [unrounded, ...scales.map((affine) => searchedCodes(blocks, affine, limits))]) {
    const shortfall = total(rounded.blocks, (block) => block.shortfall);
    const overlap = energy - shortfall;
    // Outputs that are practically zero have no correlation.
    if (overlap <= 0 || energy <= 0) continue;
    const spread = (energy - 2 * shortfall + total(rounded.blocks, ({ error }) => error)) / overlap ** 2;
    if (spread >= least) continue;
    least = spread;
    const widened = Math.max((rounded.affine.scale * energy) / overlap, smallestScale * FLOAT32_SLACK);
    best = { affine: { scale: Math.fround(widened), zeroPoint }, blocks: rounded.blocks };
  }
  return best;
}

function nearestCodes(blocks: readonly OutputBlock[], affine: Affine): RoundedOutput {
  const valued = blocks.map(({ search, weights, nearest }) => search.value(weights, nearest, affine));
  return { affine, blocks: valued };
}

function searchedCodes(blocks: readonly OutputBlock[], affine: Affine, limits: CodeLimits): RoundedOutput {
  return { affine, blocks: blocks.map(({ search, weights }) => search.search(weights, affine, limits)) };
}

function total<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0);
}
