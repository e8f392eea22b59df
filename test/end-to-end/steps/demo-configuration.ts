import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packageRoot } from "../../../scripts/package/package-root.js";
import { parseConfiguration } from "../../../shared/configuration/parse.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";

/** The folder of the bundled example. */
export const DEMO = join(packageRoot(), "scripts", "demo");

/** Numbers of trials and samples that a test uses. */
export interface DemoSize {
  readonly trials: number;
  readonly calibration: number;
  readonly evaluation: number;
}

/**
 * The demo's configuration with fewer samples and trials, absolute paths and very short latency measurements.
 */
export async function demoConfiguration(
  { trials, calibration, evaluation }: DemoSize,
  params: Readonly<Record<string, unknown>> = {},
): Promise<RunConfigurationInput> {
  const file = join(DEMO, "config.json");
  const { configuration } = parseConfiguration(await readFile(file, "utf8"), { file });
  const { engine, compression } = configuration;
  const input = (first: number, count: number) => ({
    input: { data: join(DEMO, "x.npy"), rows: [first, first + count] as [number, number], ...PREPROCESSING },
  });
  const labels = (first: number, count: number) => ({
    data: join(DEMO, "y.npy"),
    rows: [first, first + count] as [number, number],
  });
  return {
    model: { model_name: "demo", model: join(DEMO, "model.onnx") },
    engine: {
      calibration: { inputs: input(2000, calibration) },
      evaluation: { inputs: input(0, evaluation), labels: labels(0, evaluation) },
      validation: { inputs: input(1000, evaluation), labels: labels(1000, evaluation) },
      metric: { name: "accuracy" },
      session: engine.session,
    },
    optimizer: {
      name: "Tpe",
      params: {
        max_trials: trials,
        accuracy_loss: 0.5,
        minimize: "size",
        seed: 1,
        benchmark: { duration_seconds: 0.05 },
        ...params,
      },
    },
    // Gives the same results on every processor, of this machine or of a fleet.
    compression: { ...compression, target_device: "ANY" },
  };
}

/** The demo's normalization of pixels. */
const PREPROCESSING = { scale: 0.00392156862745098, mean: [0.5], std: [0.5] };
