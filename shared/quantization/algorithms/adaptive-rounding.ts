import { floatValues } from "../../onnx/tensor.js";
import {
  type MomentBlock,
  type MomentSource,
  momentBlocks,
  type SecondMoments,
  secondMoments,
} from "../../statistics/second-moments.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { dequantize } from "../affine.js";
import {
  type ConstantProduct,
  constantProduct,
  groupOfOutput,
  weightPosition,
} from "../constant-products.js";
import type { QuantizerLayout, WeightQuantizer } from "../groups.js";
import { type IgnoredScope, isIgnored } from "../ignored/ignored-scope.js";
import type { TensorPlan } from "../plan.js";
import type { OperandView } from "../quantizable-ops.js";
import { type CodeLimits, codeLimits, type WeightCodes } from "../weight-codes.js";

export interface AdaptiveRoundingSettings {
  /** Weights of more bits are rounded to the nearest code: they gain little. */
  readonly largestBits: number;
  readonly ignored: IgnoredScope;
}

/** Share of the mean second moment that is added to each term's own, as calibration samples never span all terms. */
const DAMPING = 0.01;

/** Sweeps end when nothing moves, after a dozen or so; errors only shrink, so that this bound is never a loss. */
const MOST_SWEEPS = 50;

/**
 * Rounds weights not each to its nearest code, but so that the output changes least: the codes of an output minimize
 * E[((w - wq) x)²] = (w - wq) H (w - wq)ᵀ with H = E[x xᵀ], the quadratic form that AdaRound (Nagel et al. 2020,
 * "Up or Down? Adaptive Rounding for Post-Training Quantization", section 3.1) derives from the loss. It is minimized
 * code by code with the others held, from the nearest codes on (cyclic coordinate descent, Behdin et al. 2023,
 * "QuantEase"): deterministic, and never worse than they are. Scales stay as the range estimator made them.
 *
 * Where the mean error goes into a bias, H is the covariance: the bias then takes what is not minimized.
 */
export class AdaptiveRounding {
  readonly #products: ReadonlyMap<string, ConstantProduct>;
  readonly #forms = new Map<string, readonly QuadraticForm[]>();

  /**
   * @param moments of {@link roundingSources}
   * @param correctsMean whether the mean error of an op, by its key, goes into a bias
   */
  constructor(
    layout: QuantizerLayout,
    private readonly view: OperandView,
    private readonly settings: AdaptiveRoundingSettings,
    private readonly moments: StatisticsTable,
    private readonly correctsMean: (key: string) => boolean,
  ) {
    this.#products = roundableProducts(layout, view, settings);
  }

  /** @param nearest the constant's nearest codes, which are returned where there is nothing to round by */
  round({ id }: WeightQuantizer, plan: TensorPlan, nearest: WeightCodes): WeightCodes {
    const product = this.#products.get(id);
    if (product === undefined || plan.bits > this.settings.largestBits) return nearest;
    const weights = floatValues(this.view.index.initializers.get(id)!);
    return roundToForms(product, weights, nearest, codeLimits(plan), this.#formsOf(product));
  }

  #formsOf(product: ConstantProduct): readonly QuadraticForm[] {
    let forms = this.#forms.get(product.weight);
    if (forms === undefined) {
      const moments = secondMoments(this.moments, momentSource(product));
      forms = quadraticForms(product, moments, this.correctsMean(product.op.key));
      this.#forms.set(product.weight, forms);
    }
    return forms;
  }
}

/** What second moments are needed of: what products read whose constant no other op reads. */
export function roundingSources(
  layout: QuantizerLayout,
  view: OperandView,
  settings: AdaptiveRoundingSettings,
): MomentSource[] {
  return [...roundableProducts(layout, view, settings).values()].map(momentSource);
}

function roundableProducts(
  layout: QuantizerLayout,
  view: OperandView,
  { ignored }: AdaptiveRoundingSettings,
): Map<string, ConstantProduct> {
  return new Map(
    [...layout.weights.values()].flatMap(({ id, ops }) => {
      const op = layout.ops.get(ops[0]!)!;
      const product = ops.length > 1 || isIgnored(op.node, ignored) ? undefined : constantProduct(op, view);
      return product === undefined ? [] : [[id, product]];
    }),
  );
}

function momentSource({ op, input, inputAxis, window, groups, terms }: ConstantProduct): MomentSource {
  const place = window === undefined ? {} : { window };
  return { key: op.key, tensor: input, axis: inputAxis, ...place, groups, terms };
}

/** A symmetric matrix [size, size] over some of a group's terms. */
export interface QuadraticForm extends MomentBlock {
  readonly group: number;
  readonly matrix: Float64Array;
}

/** The forms of all groups and blocks; moments between blocks are taken for 0. */
export function quadraticForms(
  { groups, terms }: Pick<ConstantProduct, "groups" | "terms">,
  { means, matrices }: SecondMoments,
  centred: boolean,
): QuadraticForm[] {
  return Array.from({ length: groups }, (_, group) =>
    momentBlocks(terms).map(({ start, size }, block): QuadraticForm => {
      const from = group * size * size;
      const matrix = Float64Array.from(matrices[block]!.subarray(from, from + size * size));
      if (centred) {
        const mean = means.subarray(group * terms + start, group * terms + start + size);
        for (let at = 0; at < matrix.length; at++) {
          matrix[at]! -= mean[Math.floor(at / size)]! * mean[at % size]!;
        }
      }
      let trace = 0;
      for (let i = 0; i < size; i++) trace += matrix[i * size + i]!;
      for (let i = 0; i < size; i++) matrix[i * size + i]! += (DAMPING * trace) / size;
      return { group, start, size, matrix };
    }),
  ).flat();
}

/** Codes with the scales of the nearest ones, whose errors are small in the forms. */
export function roundToForms(
  product: Pick<ConstantProduct, "outputs" | "terms" | "groups" | "outputsFirst">,
  weights: Float32Array,
  { codes: nearest, channels }: WeightCodes,
  limits: CodeLimits,
  forms: readonly QuadraticForm[],
): WeightCodes {
  const codes = nearest.slice();
  for (const form of forms) {
    const { start, size } = form;
    const errors = new Float64Array(size);
    const chosen = new Int32Array(size);
    for (let output = 0; output < product.outputs; output++) {
      if (groupOfOutput(product, output) !== form.group) continue;
      const affine = channels[channels.length === 1 ? 0 : output]!;
      for (let i = 0; i < size; i++) {
        const at = weightPosition(product, output, start + i);
        chosen[i] = codes[at]!;
        errors[i] = weights[at]! - dequantize(codes[at]!, affine);
      }
      descend(chosen, errors, affine.scale, limits, form);
      for (let i = 0; i < size; i++) codes[weightPosition(product, output, start + i)] = chosen[i]!;
    }
  }
  return { codes, channels };
}

/** Moves one code after the other to where the form is least with the others held; in place. */
function descend(
  codes: Int32Array,
  errors: Float64Array,
  scale: number,
  { lowest, highest }: CodeLimits,
  { size, matrix }: QuadraticForm,
): void {
  const slope = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const error = errors[i]!;
    for (let j = 0; j < size; j++) slope[j]! += error * matrix[i * size + j]!;
  }
  for (let sweep = 0, moved = true; moved && sweep < MOST_SWEEPS; sweep++) {
    moved = false;
    for (let i = 0; i < size; i++) {
      const curvature = matrix[i * size + i]!;
      if (curvature <= 0) continue;
      const wished = codes[i]! + Math.round(slope[i]! / (curvature * scale));
      const code = Math.min(highest, Math.max(lowest, wished));
      const step = (code - codes[i]!) * scale;
      // Between two codes as good as each other it would go to and fro.
      if (step * (2 * slope[i]! - step * curvature) <= 0) continue;
      moved = true;
      codes[i] = code;
      for (let j = 0; j < size; j++) slope[j]! -= step * matrix[i * size + j]!;
    }
  }
}
