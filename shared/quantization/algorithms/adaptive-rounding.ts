import * as z from "zod";
import { keptIn } from "../../basics/kept-in.js";
import { floatValues } from "../../onnx/model/tensor.js";
import { type MomentSource, secondMoments } from "../../statistics/second-moments.js";
import type { StatisticsTable } from "../../statistics/table.js";
import { listed, mustBe } from "../../validation/requirement.js";
import {
  type ConstantProduct,
  constantProduct,
  groupOfOutput,
  weightPosition,
} from "../graph/constant-products.js";
import { isIgnored } from "../graph/ignored/ignored-scope.js";
import type { Refinement } from "../rewrite/weight-cache.js";
import { type CodeLimits, codeLimits, type WeightCodes } from "../rewrite/weight-codes.js";
import { reachableWidths } from "../space/space.js";
import {
  type Adjustment,
  type AlgorithmSettings,
  adjustingAlgorithm,
  type CalibratedModel,
  type LaidOutModel,
} from "./algorithm.js";
import { ignored, ignoredScope, parameters, tune } from "./algorithm-parameters.js";
import { CodeSearch } from "./code-search.js";
import { type QuadraticForm, quadraticForms } from "./quadratic-form.js";
import { type OutputBlock, roundInScale, roundWithScale } from "./round-output.js";

const WIDTHS = [2, 4, 8] as const;

export interface AdaptiveRoundingSettings extends AlgorithmSettings {
  /**
   * Largest bit width of weights that are rounded adaptively; wider ones are rounded to the nearest code, as
   * they gain little.
   */
  readonly largestBits: number;
}

/**
 * The algorithm that rounds weights not each to its nearest code, but so that the op's output changes least
 * (docs/reference/algorithms.md, "Adaptive rounding").
 */
export const adaptiveRounding = adjustingAlgorithm({
  name: "AdaptiveRounding",
  settingsKey: "adaptiveRounding",
  stage: "round",
  parameters: parameters({
    tune,
    largest_bits: z
      .literal(WIDTHS, { error: (issue) => mustBe(issue.input, listed(WIDTHS)) })
      .default(4)
      .describe(
        "Largest width, in bits, of weights that are rounded adaptively; wider ones are rounded to the nearest code.",
      ),
    ignored,
  }).prefault({}),
  settingsOf: ({ largest_bits, ignored }): AdaptiveRoundingSettings => ({
    largestBits: largest_bits,
    ignored: ignoredScope(ignored),
  }),
  hasEffect(model, settings) {
    const widths = reachableWidths(model.layout, model.view.hardware, model.settings.options, "weights");
    return Math.min(...widths) <= settings.largestBits && roundableProducts(model, settings).size > 0;
  },
  secondMoments: (model, settings) => [...roundableProducts(model, settings).values()].map(momentSource),
  adjust: (model, settings) => new OutputRounding(model, settings),
});

/**
 * Rounds the weights w of each output to codes wq of least mean squared error of the output, E[((w - wq) x)²] =
 * (w - wq) H (w - wq)ᵀ with H = E[x xᵀ], the quadratic form that AdaRound (Nagel et al. 2020, "Up or Down?
 * Adaptive Rounding for Post-Training Quantization", section 3.1) derives from the loss.
 *
 * Codes of least error shrink the output: the part of w x that they leave out is correlated with w x, and adds
 * up over the layers as independent errors would not. So the scale of each channel is widened until the
 * correlation of the output with the float output equals that of the float output with itself, E[(wq x) (w x)]
 * = E[(w x)²]. Several scales are tried, and the one of least error after widening is taken. A scale that all
 * channels share stays unchanged.
 *
 * Where a bias correction takes the mean error out of the bias, H is the covariance of x, as only the rest of
 * the error counts.
 */
class OutputRounding implements Adjustment {
  readonly #moments: StatisticsTable;
  readonly #products: ReadonlyMap<string, ConstantProduct>;
  readonly #forms = new Map<string, readonly QuadraticForm[]>();

  constructor(
    private readonly model: CalibratedModel,
    private readonly settings: AdaptiveRoundingSettings,
  ) {
    if (model.secondMoments === undefined) throw new Error("AdaptiveRounding needs second moments.");
    this.#moments = model.secondMoments;
    this.#products = roundableProducts(model, settings);
  }

  readonly refine: Refinement = ({ id }, plan, nearest, smallestScales) => {
    const product = this.#products.get(id);
    if (product === undefined || plan.bits > this.settings.largestBits) return nearest;
    const weights = floatValues(this.model.view.index.initializers.get(id)!);
    return roundToForms(product, weights, nearest, codeLimits(plan), this.#formsOf(product), smallestScales);
  };

  #formsOf(product: ConstantProduct): readonly QuadraticForm[] {
    return keptIn(this.#forms, product.weight, () => {
      const moments = secondMoments(this.#moments, momentSource(product));
      return quadraticForms(product, moments, this.model.correctsMeanError(product.op.key));
    });
  }
}

/** The products whose weights can be rounded adaptively (no other op shares them), by the name of the weights. */
function roundableProducts(
  { layout, view }: LaidOutModel,
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

/**
 * Rounds a product's weights to codes of small output error, as measured by the quadratic forms E[x xᵀ];
 * returns codes and scales.
 */
export function roundToForms(
  product: Pick<ConstantProduct, "outputs" | "terms" | "groups" | "outputsFirst">,
  weights: Float32Array,
  { codes: nearest, channels }: WeightCodes,
  limits: CodeLimits,
  forms: readonly QuadraticForm[],
  smallestScales: readonly number[] = [],
): WeightCodes {
  const codes = nearest.slice();
  const affines = [...channels];
  const searches = forms.map((form) => new CodeSearch(form));
  for (let output = 0; output < product.outputs; output++) {
    const channel = channels.length === 1 ? 0 : output;
    const group = groupOfOutput(product, output);
    const blocks = searches
      .filter(({ form }) => form.group === group)
      .map((search): OutputBlock & { readonly at: Int32Array } => {
        const { start, size } = search.form;
        const at = Int32Array.from({ length: size }, (_, i) => weightPosition(product, output, start + i));
        return {
          search,
          at,
          weights: Float64Array.from(at, (position) => weights[position]!),
          nearest: Int32Array.from(at, (position) => nearest[position]!),
        };
      });
    const chosen =
      channels.length < product.outputs
        ? roundInScale(blocks, channels[channel]!, limits)
        : roundWithScale(blocks, channels[channel]!, limits, smallestScales[channel]);
    affines[channel] = chosen.affine;
    chosen.blocks.forEach((block, b) => {
      blocks[b]!.at.forEach((position, i) => {
        codes[position] = block.codes[i]!;
      });
    });
  }
  return { codes, channels: affines };
}
