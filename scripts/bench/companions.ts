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
import { type BenchModel, loadBenchModels, modelsFolder } from "./tuning/models.js";

/**
 * `npm run bench:companions -- [--models a,b] [--companions a,b] [--saturation-fix no]`: what `quantize` reaches with and
 * without the algorithms beside the quantization, on the evaluation samples: the metric, and the outputs' signal to noise
 * against the float model.
 */
const { values } = parseArgs({
  options: {
    models: { type: "string" },
    companions: { type: "string" },
    "saturation-fix": { type: "string", default: "no" },
  },
});

const PRESETS = ["performance", "mixed"] as const;

const COMPANIONS = {
  alone: [],
  "with FastBiasCorrection": ["FastBiasCorrection"],
  "with ActivationChannelAlignment, too": ["ActivationChannelAlignment", "FastBiasCorrection"],
  "with CrossLayerEqualization": ["CrossLayerEqualization"],
  "with CrossLayerEqualization and FastBiasCorrection": ["CrossLayerEqualization", "FastBiasCorrection"],
} as const satisfies Record<string, readonly Companion[]>;

type Companion = "CrossLayerEqualization" | "ActivationChannelAlignment" | "FastBiasCorrection";

const folder = modelsFolder();
if (folder === undefined) {
  console.log("../shared/models is missing, so nothing can be measured.");
} else {
  console.log(`onnxruntime ${onnxruntimeVersion()}, ${instructionSet()}, Node ${process.version}`);
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const table = new Table({
    style: { head: [], border: [] },
    head: ["quantize", "preset", "algorithms", "float", "quantized", "dB", "integer", "seconds"],
  });
  try {
    for (const model of loadBenchModels(folder, values.models?.split(","))) {
      const float = await score(join(model.directory, model.configuration.model.model), model.configuration);
      for (const preset of PRESETS) {
        for (const [title, companions] of chosenCompanions()) {
          table.push([
            model.name,
            preset,
            title,
            float.toFixed(4),
            ...(await measure(model, preset, companions)),
          ]);
        }
      }

      async function score(path: string, configuration: RunConfigurationInput): Promise<number> {
        const { metric } = await evaluate(path, { configuration, directory: model.directory });
        return metric.value;
      }

      async function measure(
        { name, directory, configuration }: BenchModel,
        preset: (typeof PRESETS)[number],
        companions: readonly Companion[],
      ): Promise<string[]> {
        const asked = withCompanions(configuration, preset, companions);
        const started = performance.now();
        const made = await quantize({ configuration: asked, directory }, { out: join(scratch, name) });
        const seconds = (performance.now() - started) / 1000;
        const { integer, quantized } = made.integerKernels;
        return [
          (await score(made.model, asked)).toFixed(4),
          (await score(made.model, scoredAgainstFloat(asked))).toFixed(2),
          `${integer} of ${quantized}`,
          seconds.toFixed(1),
        ];
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(table.toString());
}

function chosenCompanions(): [string, readonly Companion[]][] {
  const wanted = values.companions?.split(",");
  return Object.entries(COMPANIONS).filter(([title]) => wanted?.includes(title) ?? true);
}

function withCompanions(
  configuration: RunConfigurationInput,
  preset: (typeof PRESETS)[number],
  companions: readonly Companion[],
): RunConfigurationInput {
  const { compression = {} } = configuration;
  const algorithms = (compression.algorithms ?? []).flatMap((algorithm) => {
    if (algorithm.name !== "TunableQuantization") return [];
    // POT's own estimators: what the algorithms beside them gain is not to be had from better ranges alone.
    const range_estimator = { preset: "default" } as const;
    const saturation_fix = values["saturation-fix"] as "first_layer" | "all" | "no";
    return [{ ...algorithm, params: { ...algorithm.params, preset, range_estimator, saturation_fix } }];
  });
  const named = companions.map((name) => ({ name }));
  const before = named.filter(({ name }) => name !== "FastBiasCorrection");
  const behind = named.filter(({ name }) => name === "FastBiasCorrection");
  return {
    ...configuration,
    compression: { ...compression, algorithms: [...before, ...algorithms, ...behind] },
  };
}
