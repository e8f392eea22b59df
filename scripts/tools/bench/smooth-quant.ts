import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { quantize } from "../../api/quantize.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:smooth-quant -- [--alphas 0.3,0.5]`: the effect of SmoothQuant on text-trec, with and
 * without outliers in its activations, for several alphas, with POT's range estimators and with those that
 * `quantize` chooses: accuracy and the outputs' signal-to-noise ratio against the float model, on the
 * evaluation samples.
 */
const { values } = parseArgs({ options: { alphas: { type: "string", default: "0.3,0.5,0.7,0.85" } } });

const FILES = ["model-outlier.onnx", "model.onnx"];

const CALIBRATION_SAMPLES = 100;

const ESTIMATORS = {
  POT: { range_estimator: { preset: "default" } },
  "quantize's own": {},
} as const;

const HEAD = ["model", "float", "estimators", "alpha", "quantized", "dB", "integer"];

await printModelTable(HEAD, async function* (folder, scratch) {
  const [model] = loadBenchModels(folder, ["text-trec"]);
  const { directory, configuration } = model!;
  for (const file of FILES) {
    const given = { ...configuration, model: { ...configuration.model, model: file } };
    const float = await metricOf(join(directory, file), given, directory);
    for (const [title, estimators] of Object.entries(ESTIMATORS)) {
      for (const alpha of [undefined, ...values.alphas.split(",").map(Number)]) {
        const asked = smoothed(given, estimators, alpha);
        const made = await quantize({ configuration: asked, directory }, { out: join(scratch, "model") });
        const { integer, quantized } = made.integerKernels;
        yield [
          file,
          float.toFixed(4),
          title,
          alpha ?? "without",
          (await metricOf(made.model, given, directory)).toFixed(4),
          (await metricOf(made.model, scoredAgainstFloat(given), directory)).toFixed(2),
          `${integer} of ${quantized}`,
        ];
      }
    }
  }
});

/**
 * Configuration with every layer quantized by the preset `performance`; without SmoothQuant if no alpha is
 * given.
 */
function smoothed(
  configuration: RunConfigurationInput,
  estimators: (typeof ESTIMATORS)[keyof typeof ESTIMATORS],
  alpha: number | undefined,
): RunConfigurationInput {
  const quantization = {
    name: "MinMaxQuantization",
    params: { preset: "performance", stat_subset_size: CALIBRATION_SAMPLES, ...estimators },
  } as const;
  const smoothing =
    alpha === undefined
      ? []
      : [{ name: "SmoothQuant", params: { alpha, stat_subset_size: CALIBRATION_SAMPLES } } as const];
  return {
    ...configuration,
    compression: { ...configuration.compression, algorithms: [...smoothing, quantization] },
  };
}
