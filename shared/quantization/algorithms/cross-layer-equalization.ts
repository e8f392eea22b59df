import type { GraphIndex } from "../../onnx/graph/graph-index.js";
import type { Model } from "../../onnx/model/codec.js";
import { planQuantization } from "../space/plan.js";
import { deriveSpace } from "../space/space.js";
import { type AlgorithmSettings, rewritingAlgorithm } from "./algorithm.js";
import { ignored, ignoredScope, parameters, tune } from "./algorithm-parameters.js";
import {
  type EqualizablePair,
  equalizationFactors,
  findEqualizablePairs,
  inputChannelOf,
  outputChannelOf,
} from "./equalization-factors.js";
import { equalizationStatistics, gainingPairs } from "./equalization-gain.js";
import { ConstantScaling, withConstants } from "./rewritable-constants.js";

/**
 * The algorithm that evens out the channels between convolutions (docs/reference/algorithms.md, "Cross-layer
 * equalization"), where the base (preset) configuration gains by it.
 */
export const crossLayerEqualization = rewritingAlgorithm({
  name: "CrossLayerEqualization",
  settingsKey: "layerEqualization",
  stage: "rewrite",
  parameters: parameters({ tune, ignored }).prefault({}),
  settingsOf: ({ ignored }): AlgorithmSettings => ({ ignored: ignoredScope(ignored) }),
  findRewriting({ view: { index, hardware }, layout, settings: { options } }, { ignored }) {
    const found = findEqualizablePairs(index, ignored);
    if (found.length === 0) return undefined;
    return {
      statistics: equalizationStatistics(found),
      apply(model, statistics) {
        const { base } = deriveSpace(layout, hardware, options);
        const plan = planQuantization(layout, hardware, options, base);
        const pairs = gainingPairs(found, index, layout, plan, statistics);
        if (pairs.length === 0) return undefined;
        const names = pairs.map(({ producer, consumer }) => `${producer.output[0]} ${consumer.output[0]}`);
        return {
          model: equalizeLayers(model, index, pairs),
          description: `CrossLayerEqualization ${JSON.stringify(names)}`,
        };
      },
    };
  },
});

/**
 * Evens out the channels between the convolutions of each pair (Nagel et al. 2019, "Data-Free Quantization
 * Through Weight Equalization and Bias Correction", section 4.1): two convolutions compute the same when the
 * first one's weights of a channel are divided by s > 0 and the second one's multiplied by s. With s = sqrt(r1
 * / r2) of the largest weights r1 and r2 of the channel, both largest weights become equal.
 *
 * The factors are rounded to powers of two, so that the model computes exactly the same numbers.
 */
export function equalizeLayers(model: Model, index: GraphIndex, pairs: readonly EqualizablePair[]): Model {
  const scaling = new ConstantScaling(index);
  const factors = equalizationFactors(pairs, index);
  pairs.forEach(({ producer, consumer }, i) => {
    const factor = (channel: number): number => factors[i]![channel]!;
    const inverse = (channel: number): number => 1 / factor(channel);
    const [, made = "", bias = ""] = producer.input;
    scaling.scale({ name: made, channelOf: outputChannelOf(producer, index) }, inverse);
    if (bias !== "") scaling.scale({ name: bias, channelOf: (at) => at }, inverse);
    scaling.scale({ name: consumer.input[1]!, channelOf: inputChannelOf(consumer, index) }, factor);
  });
  return withConstants(model, scaling.values);
}
