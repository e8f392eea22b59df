import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { quantize } from "../../api/quantize.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:low-bit -- [--bits 4] [--models a,b] [--rows "AdaptiveRounding;plain min-max"]`: what
 * `quantize` reaches with per-channel weights of few bits and 8-bit activations, for each row's list of
 * algorithms and for plain min-max ranges: accuracy on the evaluation and validation samples, and the outputs'
 * signal-to-noise ratio against the float model, in dB.
 */
const { values } = parseArgs({
  options: {
    bits: { type: "string", default: "4" },
    models: { type: "string" },
    rows: { type: "string" },
  },
});

type Algorithm =
  | "CrossLayerEqualization"
  | "AdaptiveRounding"
  | "WeightBiasCorrection"
  | "FastBiasCorrection"
  | "BiasCorrection";

interface Row {
  readonly algorithms: readonly Algorithm[];
  readonly mode: "symmetric" | "asymmetric";
  /**
   * Whether the default range estimators of POT (OpenVINO's quantization tool) are used: means of the samples'
   * smallest and largest values.
   */
  readonly plainRanges?: true;
}

const ROWS: Readonly<Record<string, Row>> = {
  "plain min-max": { algorithms: [], mode: "symmetric", plainRanges: true },
  WeightBiasCorrection: { algorithms: ["WeightBiasCorrection"], mode: "symmetric" },
  FastBiasCorrection: { algorithms: ["FastBiasCorrection"], mode: "symmetric" },
  BiasCorrection: { algorithms: ["BiasCorrection"], mode: "symmetric" },
  AdaptiveRounding: { algorithms: ["AdaptiveRounding"], mode: "symmetric" },
  "AdaptiveRounding, FastBiasCorrection": {
    algorithms: ["AdaptiveRounding", "FastBiasCorrection"],
    mode: "symmetric",
  },
  "AdaptiveRounding, BiasCorrection": {
    algorithms: ["AdaptiveRounding", "BiasCorrection"],
    mode: "symmetric",
  },
  "CrossLayerEqualization, AdaptiveRounding, FastBiasCorrection": {
    algorithms: ["CrossLayerEqualization", "AdaptiveRounding", "FastBiasCorrection"],
    mode: "symmetric",
  },
  "asymmetric weights, plain min-max": { algorithms: [], mode: "asymmetric", plainRanges: true },
  "asymmetric weights, AdaptiveRounding, FastBiasCorrection": {
    algorithms: ["AdaptiveRounding", "FastBiasCorrection"],
    mode: "asymmetric",
  },
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
    for (const [title, row] of chosenRows()) {
      const asked = withRow(given, Number(values.bits) as 2 | 4 | 8, row);
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

function chosenRows(): [string, Row][] {
  const wanted = values.rows?.split(";");
  return Object.entries(ROWS).filter(([title]) => wanted?.includes(title) ?? true);
}

function withRow(
  configuration: RunConfigurationInput,
  bits: 2 | 4 | 8,
  { algorithms, mode, plainRanges }: Row,
): RunConfigurationInput {
  const before = algorithms.filter((name) => name === "CrossLayerEqualization").map((name) => ({ name }));
  const behind = algorithms.filter((name) => name !== "CrossLayerEqualization").map((name) => ({ name }));
  const quantization = {
    name: "MinMaxQuantization",
    params: {
      stat_subset_size: 100,
      weights: { bits, mode, granularity: "perchannel" },
      activations: { bits: 8 },
      ...(plainRanges && { range_estimator: { preset: "default" } as const }),
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
