import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../shared/run/configuration/schema.js";
import { quantize } from "../api/quantize.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:low-bit -- [--bits 4] [--models a,b] [--companions a,b]`: what `quantize` reaches with weights of few bits and activations of 8, by plain
 * min-max a channel and with the companions: accuracy on the evaluation and validation samples, and the outputs' signal
 * to noise against the float model.
 */
const { values } = parseArgs({
  options: {
    bits: { type: "string", default: "4" },
    models: { type: "string" },
    companions: { type: "string" },
  },
});

type Companion =
  | "CrossLayerEqualization"
  | "AdaptiveRounding"
  | "WeightBiasCorrection"
  | "FastBiasCorrection"
  | "BiasCorrection";

const COMPANIONS: Readonly<Record<string, readonly Companion[]>> = {
  "plain min-max": [],
  WeightBiasCorrection: ["WeightBiasCorrection"],
  FastBiasCorrection: ["FastBiasCorrection"],
  BiasCorrection: ["BiasCorrection"],
  AdaptiveRounding: ["AdaptiveRounding"],
  "AdaptiveRounding, FastBiasCorrection": ["AdaptiveRounding", "FastBiasCorrection"],
  "CrossLayerEqualization, AdaptiveRounding": ["CrossLayerEqualization", "AdaptiveRounding"],
  "all three": ["CrossLayerEqualization", "AdaptiveRounding", "FastBiasCorrection"],
};

const MODELS = [
  { name: "kws-dscnn-mlperf", file: "model.onnx" },
  { name: "resnet20-cifar10", file: "model.onnx" },
  { name: "dscnn-cifar10", file: "model-folded.onnx" },
];

const HEAD = ["model", `${values.bits}-bit weights`, "evaluation", "validation", "dB", "bytes", "seconds"];

await printModelTable(HEAD, async function* (folder, scratch) {
  const wanted = values.models?.split(",");
  for (const { name, file } of MODELS.filter((model) => wanted?.includes(model.name) ?? true)) {
    const [model] = loadBenchModels(folder, [name]);
    const { directory, configuration } = model!;
    const given = { ...configuration, model: { ...configuration.model, model: file } };
    const accuracies = async (path: string): Promise<string[]> => [
      (await metricOf(path, given, directory)).toFixed(4),
      (await metricOf(path, onValidation(given), directory)).toFixed(4),
    ];
    yield [name, "float", ...(await accuracies(join(directory, file))), "", "", ""];
    for (const [title, companions] of chosenCompanions()) {
      const asked = withCompanions(given, Number(values.bits) as 2 | 4 | 8, companions);
      const started = performance.now();
      const made = await quantize({ configuration: asked, directory }, { out: join(scratch, name) });
      const seconds = (performance.now() - started) / 1000;
      const decibels = await metricOf(made.model, scoredAgainstFloat(given), directory);
      yield [
        name,
        title,
        ...(await accuracies(made.model)),
        decibels.toFixed(2),
        made.modelBytes,
        seconds.toFixed(1),
      ];
    }
  }
});

function chosenCompanions(): [string, readonly Companion[]][] {
  const wanted = values.companions?.split(",");
  return Object.entries(COMPANIONS).filter(([title]) => wanted?.includes(title) ?? true);
}

function withCompanions(
  configuration: RunConfigurationInput,
  bits: 2 | 4 | 8,
  companions: readonly Companion[],
): RunConfigurationInput {
  const before = companions.filter((name) => name === "CrossLayerEqualization").map((name) => ({ name }));
  const behind = companions.filter((name) => name !== "CrossLayerEqualization").map((name) => ({ name }));
  const quantization = {
    name: "MinMaxQuantization",
    params: {
      stat_subset_size: 100,
      weights: { bits, mode: "symmetric", granularity: "perchannel" },
      activations: { bits: 8 },
      range_estimator: { preset: "default" },
    },
  } as const;
  const { compression = {} } = configuration;
  return {
    ...configuration,
    compression: { ...compression, algorithms: [...before, quantization, ...behind] },
  };
}

function onValidation(configuration: RunConfigurationInput): RunConfigurationInput {
  const { validation, ...engine } = configuration.engine;
  return { ...configuration, engine: { ...engine, ...(validation && { evaluation: validation }) } };
}
