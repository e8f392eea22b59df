import { GraphIndex } from "../onnx/graph-index.js";
import { layOutQuantizers, type QuantizerLayout } from "../quantization/groups.js";
import { type Hardware, targetHardware } from "../quantization/hardware.js";
import type { OperandView } from "../quantization/quantizable-ops.js";
import { deriveSpace, type TuningSpace } from "../quantization/space.js";
import { requiredStatistics } from "../quantization/statistics-requirement.js";
import type { QuantizationSettings } from "../run/configuration/quantization-settings.js";
import type { StatisticsRequirement } from "../statistics/requirement.js";
import type { PreparedModel } from "./prepare-model.js";

/** A model with everything that follows from it and from the configuration, before any sample is seen. */
export interface Subject {
  readonly prepared: PreparedModel;
  readonly settings: QuantizationSettings;
  readonly hardware: Hardware;
  readonly view: OperandView;
  readonly layout: QuantizerLayout;
  readonly space: TuningSpace;
  readonly statistics: StatisticsRequirement;
}

export function makeSubject(prepared: PreparedModel, settings: QuantizationSettings): Subject {
  const hardware = targetHardware(settings.targetDevice);
  const view: OperandView = {
    index: new GraphIndex(prepared.model.graph),
    tensors: prepared.tensors,
    hardware,
    ignored: settings.ignored,
  };
  const layout = layOutQuantizers(view);
  return {
    prepared,
    settings,
    hardware,
    view,
    layout,
    space: deriveSpace(layout, hardware, settings.options),
    statistics: requiredStatistics(layout, settings.options),
  };
}
