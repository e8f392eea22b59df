import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import type { RunConfigurationInput } from "../../shared/run/configuration/schema.js";
import { instructionSet } from "../../shared/scoring/isa.js";
import { onnxruntimeVersion } from "../../shared/scoring/session.js";
import { evaluate } from "../api/evaluate.js";
import { quantize } from "../api/quantize.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { loadBenchModels, modelsFolder } from "./tuning/models.js";

/**
 * `npm run bench:smooth-quant -- [--alphas 0.3,0.5]`: what SmoothQuant wins on text-trec with outliers in its activations
 * and without, at several alphas, with POT's estimators and with those that `quantize` picks by itself: accuracy and the
 * outputs' signal to noise against the float model, on the evaluation samples.
 */
const { values } = parseArgs({ options: { alphas: { type: "string", default: "0.3,0.5,0.7,0.85" } } });

const FILES = ["model-outlier.onnx", "model.onnx"];

const CALIBRATION_SAMPLES = 100;

const ESTIMATORS = {
  POT: { range_estimator: { preset: "default" } },
  "quantize's own": {},
} as const;

const folder = modelsFolder();
if (folder === undefined) {
  console.log("../shared/models is missing, so nothing can be measured.");
} else {
  console.log(`onnxruntime ${onnxruntimeVersion()}, ${instructionSet()}, Node ${process.version}`);
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const table = new Table({
    style: { head: [], border: [] },
    head: ["model", "float", "estimators", "alpha", "quantized", "dB", "integer"],
  });
  try {
    const [model] = loadBenchModels(folder, ["text-trec"]);
    const { directory, configuration } = model!;
    const score = async (path: string, asked: RunConfigurationInput): Promise<number> =>
      (await evaluate(path, { configuration: asked, directory })).metric.value;
    for (const file of FILES) {
      const given = { ...configuration, model: { ...configuration.model, model: file } };
      const float = (await score(join(directory, file), given)).toFixed(4);
      for (const [title, estimators] of Object.entries(ESTIMATORS)) {
        for (const alpha of [undefined, ...values.alphas.split(",").map(Number)]) {
          const asked = smoothed(given, estimators, alpha);
          const made = await quantize({ configuration: asked, directory }, { out: join(scratch, "model") });
          const { integer, quantized } = made.integerKernels;
          const accuracy = (await score(made.model, given)).toFixed(4);
          const decibels = (await score(made.model, scoredAgainstFloat(given))).toFixed(2);
          table.push([
            file,
            float,
            title,
            alpha ?? "without",
            accuracy,
            decibels,
            `${integer} of ${quantized}`,
          ]);
        }
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(table.toString());
}

/** Every layer quantized, preset performance; without SmoothQuant where there is no alpha. */
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
