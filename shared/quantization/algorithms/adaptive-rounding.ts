import { floatValues } from "../../onnx/model/tensor.js";
import { type MomentSource, secondMoments } from "../../statistics/second-moments.js";
import type { StatisticsTable } from "../../statistics/table.js";
import {
  type ConstantProduct,
  constantProduct,
  groupOfOutput,
  weightPosition,
} from "../graph/constant-products.js";
import type { QuantizerLayout, WeightQuantizer } from "../graph/groups.js";
import { type IgnoredScope, isIgnored } from "../graph/ignored/ignored-scope.js";
import type { OperandView } from "../graph/quantizable-ops.js";
import { type CodeLimits, codeLimits, type WeightCodes } from "../rewrite/weight-codes.js";
import type { TensorPlan } from "../space/plan.js";
import { CodeSearch } from "./code-search.js";
import { type QuadraticForm, quadraticForms } from "./quadratic-form.js";
import { type OutputBlock, roundInScale, roundWithScale } from "./round-output.js";

export interface AdaptiveRoundingSettings {
  /** Weights of more bits are rounded to the nearest code: they gain little. */
  readonly largestBits: number;
  readonly ignored: IgnoredScope;
}

/**
 * Rounds weights not each to its nearest code, but so that the output changes least: the codes of an output minimize
 * E[((w - wq) x)²] = (w - wq) H (w - wq)ᵀ with H = E[x xᵀ], the quadratic form that AdaRound (Nagel et al. 2020,
 * "Up or Down? Adaptive Rounding for Post-Training Quantization", section 3.1) derives from the loss.
 *
 * Codes of least error shrink: what they leave out goes along with the output, so that wq x varies less than w x, and
 * layer after layer this adds up where random errors would not. So each channel's scale is widened until the output
 * goes along with the float one as it did, E[(wq x) (w x)] = E[(w x)²]; and of the scales that are tried, the one is
 * taken whose error is then least. With one scale for all channels, that stays as it was.
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

  /**
   * @param nearest the constant's nearest codes, which are returned where there is nothing to round by
   * @param smallestScales scales may not be below these, one a channel
   */
  round(
    { id }: WeightQuantizer,
    plan: TensorPlan,
    nearest: WeightCodes,
    smallestScales?: readonly number[],
  ): WeightCodes {
    const product = this.#products.get(id);
    if (product === undefined || plan.bits > this.settings.largestBits) return nearest;
    const weights = floatValues(this.view.index.initializers.get(id)!);
    return roundToForms(product, weights, nearest, codeLimits(plan), this.#formsOf(product), smallestScales);
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

/** Codes whose errors are small in the forms, and their scales. */
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
