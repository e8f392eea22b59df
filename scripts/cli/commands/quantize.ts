import { isControlFlow } from "../../../shared/evaluation/checks/control-flow-notes.js";
import { type QuantizeOptions, type QuantizeResult, quantize } from "../../api/index.js";
import { exactnessNotes } from "../display/exactness-text.js";
import { bytesCell, simulationNote } from "../display/result-table.js";
import { reportWarnings } from "../display/warnings.js";
import { EXIT } from "./exit-code.js";

export async function runQuantize(
  config: string,
  options: QuantizeOptions & { readonly json?: boolean },
): Promise<number> {
  const { json, ...quantizing } = options;
  const result = await quantize(config, quantizing);
  reportWarnings(result.warnings);
  process.stdout.write(json === true ? `${JSON.stringify(result, null, 2)}\n` : describe(result));
  return EXIT.done;
}

function describe({
  model,
  modelBytes,
  floatModelBytes,
  quantizedShare,
  estimatorPreset,
  simulatedShare,
  integerKernels,
  unquantizable,
  target,
  processor,
  scoring,
  exactness,
  exactOn,
  codes,
}: QuantizeResult): string {
  const { quantized, integer, unfused } = integerKernels;
  const lines = [
    `Quantized ${Math.round(100 * quantizedShare.byCount)} % of the weighted ops, with ${Math.round(100 * quantizedShare.byParameters)} % of their parameters: ${bytesCell(floatModelBytes)} -> ${bytesCell(modelBytes)}.`,
    ...(estimatorPreset === undefined
      ? []
      : [
          `Activation ranges by estimator preset ${estimatorPreset}, which is closest to the float model's outputs on the calibration samples.`,
        ]),
    `${integer} of ${quantized} quantized products run as integer kernels.`,
    `Target device ${target}, on a processor of class ${processor}.`,
    ...(scoring === undefined ? [] : [scoring]),
    ...exactnessNotes(exactness, exactOn),
    ...(codes === undefined
      ? []
      : [
          "Weights are UINT8: outputs with the faster codes that do not saturate are at least one decibel further from the float model's.",
        ]),
    ...(simulatedShare.byCount === 0 ? [] : [simulationNote(simulatedShare)]),
    ...unfused.map(
      ({ name, type, reason }) => `Runs in float although quantized: ${type} ${name} (${reason}).`,
    ),
    // Ops of control flow are left out here, because a warning tells of them.
    ...unquantizable
      .filter((op) => !isControlFlow(op))
      .map(({ name, type, reason }) => `Left in float: ${type} ${name} (${reason}).`),
    `Written to ${model}.`,
  ];
  return `${lines.join("\n")}\n`;
}
