import type { QuantizationSettings } from "../../configuration/quantization-settings.js";
import { findAlignablePairs } from "../../quantization/algorithms/activation-channel-alignment.js";
import { roundingSources } from "../../quantization/algorithms/adaptive-rounding.js";
import { findEqualizablePairs } from "../../quantization/algorithms/cross-layer-equalization.js";
import { correctableOps } from "../../quantization/algorithms/fast-bias-correction.js";
import { findSmoothableTensors } from "../../quantization/algorithms/smooth-quant.js";
import { weightBiasStatistics } from "../../quantization/algorithms/weight-bias-correction.js";
import type { QuantizerLayout } from "../../quantization/graph/groups.js";
import type { OperandView } from "../../quantization/graph/quantizable-ops.js";
import type { CompanionName, TunedCompanion } from "../../quantization/space/algorithm-space.js";
import { deriveGroup } from "../../quantization/space/space.js";

/**
 * Those of the companions that change anything in a model: a parameter without any effect would only make trials alike.
 */
export function effectiveCompanions(
  view: OperandView,
  layout: QuantizerLayout,
  settings: QuantizationSettings,
): TunedCompanion[] {
  return (settings.tunedCompanions ?? []).filter(({ name }) => hasEffect(name, view, layout, settings));
}

function hasEffect(
  name: CompanionName,
  view: OperandView,
  layout: QuantizerLayout,
  settings: QuantizationSettings,
): boolean {
  const { layerEqualization, smoothing, channelAlignment } = settings;
  const { adaptiveRounding, weightBiasCorrection, biasCorrection } = settings;
  switch (name) {
    case "CrossLayerEqualization":
      return (
        layerEqualization !== undefined &&
        findEqualizablePairs(view.index, layerEqualization.ignored).length > 0
      );
    case "SmoothQuant":
      return (
        smoothing !== undefined &&
        findSmoothableTensors(view.index, view.tensors, smoothing.ignored).length > 0
      );
    case "ActivationChannelAlignment":
      return (
        channelAlignment !== undefined && findAlignablePairs(view.index, channelAlignment.ignored).length > 0
      );
    case "AdaptiveRounding":
      return (
        adaptiveRounding !== undefined &&
        narrowestWeights(view, layout, settings) <= adaptiveRounding.largestBits &&
        roundingSources(layout, view, adaptiveRounding).length > 0
      );
    case "WeightBiasCorrection":
      return (
        weightBiasCorrection !== undefined &&
        weightBiasStatistics(layout, view, weightBiasCorrection).size > 0
      );
    case "FastBiasCorrection":
    case "BiasCorrection":
      return biasCorrection !== undefined && correctableOps(layout, view, biasCorrection).length > 0;
  }
}

/** The smallest width that some configuration gives a weight. */
function narrowestWeights(
  { hardware }: OperandView,
  layout: QuantizerLayout,
  { options }: QuantizationSettings,
): number {
  const widths = [...layout.groups.values()]
    .flatMap((group) => deriveGroup(group, layout, hardware, options).tensors)
    .filter(({ tensor }) => tensor === "weights")
    .flatMap(({ kept }) => kept.map(({ bits }) => bits));
  return Math.min(...widths);
}
