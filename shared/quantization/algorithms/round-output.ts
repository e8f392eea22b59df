import type { Affine } from "../arithmetic/affine.js";
import type { CodeLimits } from "../rewrite/weight-codes.js";
import type { CodeSearch, ValuedCodes } from "./code-search.js";
import { dot, formTimes } from "./quadratic-form.js";

/**
 * Shares of the estimator's scale that are tried. Finer ones (steps of .05 to .7) brought outputs at most .4 dB closer
 * and took twice as long.
 */
const SCALE_SHARES = [1, 0.9, 0.8, 0.7];

/** Scales are float32 values: one of them above the smallest that is allowed. */
const FLOAT32_SLACK = 1 + 1e-6;

/** Some weights of one output, and the form that their errors are measured in. */
export interface OutputBlock {
  readonly search: CodeSearch;
  readonly weights: Float64Array;
  /** Their nearest codes. */
  readonly nearest: Int32Array;
}

export interface RoundedOutput {
  readonly affine: Affine;
  /** In the order of the blocks. */
  readonly blocks: readonly ValuedCodes[];
}

/** Codes in a scale that is not the output's alone: those searched for, or the nearest where they are no worse. */
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
 * Codes w' with a scale of their own. Codes of least error shrink the output: what they leave out of w x goes along with
 * it, and adds up layer after layer where random errors would not. So the scale is widened until the output goes along with
 * the float one as that does with itself, E[(w' x) (w x)] = E[(w x)²], which is w' H wᵀ = w H wᵀ. Of some scales to begin
 * with, the one is taken that leaves least error then: w' H w'ᵀ / (w' H wᵀ)², the inverse squared correlation of both but
 * for a constant.
 *
 * @param smallestScale that the scale may have
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
    // Weights or inputs that are all but zero leave nothing to go along with.
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
