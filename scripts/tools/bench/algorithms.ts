import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { quantize } from "../../api/quantize.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { type BenchModel, loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:companions -- [--models a,b] [--companions a,b] [--saturation-fix no]`: what `quantize` reaches
 * with and without the algorithms other than the quantization (such as bias corrections), on the evaluation
 * samples: the metric, and the outputs' signal-to-noise ratio against the float model.
 */
const { values } = parseArgs({
  options: {
    models: { type: "string" },
    companions: { type: "string" },
    "saturation-fix": { type: "string", default: "no" },
  },
});

const PRESETS = ["performance", "mixed"] as const;

const ALGORITHMS = {
  alone: [],
  "with FastBiasCorrection": ["FastBiasCorrection"],
  "with ActivationChannelAlignment, too": ["ActivationChannelAlignment", "FastBiasCorrection"],
  "with CrossLayerEqualization": ["CrossLayerEqualization"],
  "with CrossLayerEqualization and FastBiasCorrection": ["CrossLayerEqualization", "FastBiasCorrection"],
} as const satisfies Record<string, readonly Algorithm[]>;

type Algorithm = "CrossLayerEqualization" | "ActivationChannelAlignment" | "FastBiasCorrection";

const HEAD = ["quantize", "preset", "algorithms", "float", "quantized", "dB", "integer", "seconds"];

await printModelTable(HEAD, async function* (folder, scratch) {
  for (const model of loadBenchModels(folder, values.models?.split(","))) {
    const { name, directory, configuration } = model;
    const float = await metricOf(join(directory, configuration.model.model), configuration, directory);
    for (const preset of PRESETS) {
      for (const [title, algorithms] of chosenAlgorithms()) {
        const figures = await measure(model, preset, algorithms, join(scratch, name));
        yield [name, preset, title, float.toFixed(4), ...figures];
      }
    }
  }
});

async function measure(
  { directory, configuration }: BenchModel,
  preset: (typeof PRESETS)[number],
  beside: readonly Algorithm[],
  out: string,
): Promise<string[]> {
  const asked = withAlgorithms(configuration, preset, beside);
  const started = performance.now();
  const made = await quantize({ configuration: asked, directory }, { out });
  const seconds = (performance.now() - started) / 1000;
  const { integer, quantized } = made.integerKernels;
  return [
    (await metricOf(made.model, asked, directory)).toFixed(4),
    (await metricOf(made.model, scoredAgainstFloat(asked), directory)).toFixed(2),
    `${integer} of ${quantized}`,
    seconds.toFixed(1),
  ];
}

function chosenAlgorithms(): [string, readonly Algorithm[]][] {
  const wanted = values.companions?.split(",");
  return Object.entries(ALGORITHMS).filter(([title]) => wanted?.includes(title) ?? true);
}

function withAlgorithms(
  configuration: RunConfigurationInput,
  preset: (typeof PRESETS)[number],
  beside: readonly Algorithm[],
): RunConfigurationInput {
  const { compression = {} } = configuration;
  const algorithms = (compression.algorithms ?? []).flatMap((algorithm) => {
    if (algorithm.name !== "TunableQuantization") return [];
    // Range estimators of POT (OpenVINO's quantization tool): what the algorithms gain cannot be had from better ranges
    // alone.
    const range_estimator = { preset: "default" } as const;
    const saturation_fix = values["saturation-fix"] as "first_layer" | "all" | "no";
    return [{ ...algorithm, params: { ...algorithm.params, preset, range_estimator, saturation_fix } }];
  });
  const named = beside.map((name) => ({ name }));
  const before = named.filter(({ name }) => name !== "FastBiasCorrection");
  const behind = named.filter(({ name }) => name === "FastBiasCorrection");
  return {
    ...configuration,
    compression: { ...compression, algorithms: [...before, ...algorithms, ...behind] },
  };
}
