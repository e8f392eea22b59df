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
import { loadBenchModels, modelsFolder } from "./tuning/models.js";

/**
 * `npm run bench:low-bit -- [--bits 4] [--models a,b] [--rows "AdaptiveRounding;plain min-max"]`: what `quantize` reaches with
 * weights of few bits and activations of 8, by plain min-max a channel and with the companions and the estimators that it
 * picks by itself: accuracy on the evaluation and validation samples, and the outputs' signal to noise against the float
 * model.
 */
const { values } = parseArgs({
  options: {
    bits: { type: "string", default: "4" },
    models: { type: "string" },
    rows: { type: "string" },
  },
});

type Companion =
  | "CrossLayerEqualization"
  | "AdaptiveRounding"
  | "WeightBiasCorrection"
  | "FastBiasCorrection"
  | "BiasCorrection";

interface Row {
  readonly companions: readonly Companion[];
  readonly mode: "symmetric" | "asymmetric";
  /** POT's estimators: means of the samples' largest values. */
  readonly plainRanges?: true;
}

const ROWS: Readonly<Record<string, Row>> = {
  "plain min-max": { companions: [], mode: "symmetric", plainRanges: true },
  WeightBiasCorrection: { companions: ["WeightBiasCorrection"], mode: "symmetric" },
  FastBiasCorrection: { companions: ["FastBiasCorrection"], mode: "symmetric" },
  BiasCorrection: { companions: ["BiasCorrection"], mode: "symmetric" },
  AdaptiveRounding: { companions: ["AdaptiveRounding"], mode: "symmetric" },
  "AdaptiveRounding, FastBiasCorrection": {
    companions: ["AdaptiveRounding", "FastBiasCorrection"],
    mode: "symmetric",
  },
  "AdaptiveRounding, BiasCorrection": {
    companions: ["AdaptiveRounding", "BiasCorrection"],
    mode: "symmetric",
  },
  "CrossLayerEqualization, AdaptiveRounding, FastBiasCorrection": {
    companions: ["CrossLayerEqualization", "AdaptiveRounding", "FastBiasCorrection"],
    mode: "symmetric",
  },
  "asymmetric weights, plain min-max": { companions: [], mode: "asymmetric", plainRanges: true },
  "asymmetric weights, AdaptiveRounding, FastBiasCorrection": {
    companions: ["AdaptiveRounding", "FastBiasCorrection"],
    mode: "asymmetric",
  },
};

const MODELS = [
  { name: "kws-dscnn-mlperf", file: "model.onnx" },
  { name: "resnet20-cifar10", file: "model.onnx" },
  { name: "dscnn-cifar10", file: "model-folded.onnx" },
];

const folder = modelsFolder();
if (folder === undefined) {
  console.log("../shared/models is missing, so nothing can be measured.");
} else {
  console.log(`onnxruntime ${onnxruntimeVersion()}, ${instructionSet()}, Node ${process.version}`);
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const table = new Table({
    style: { head: [], border: [] },
    head: ["model", `${values.bits}-bit weights`, "evaluation", "validation", "dB", "bytes", "seconds"],
  });
  try {
    const wanted = values.models?.split(",");
    for (const { name, file } of MODELS.filter((model) => wanted?.includes(model.name) ?? true)) {
      const [model] = loadBenchModels(folder, [name]);
      const { directory, configuration } = model!;
      const given = { ...configuration, model: { ...configuration.model, model: file } };
      const score = async (path: string, asked: RunConfigurationInput): Promise<number> =>
        (await evaluate(path, { configuration: asked, directory })).metric.value;
      const scores = async (path: string): Promise<string[]> => [
        (await score(path, given)).toFixed(4),
        (await score(path, onValidation(given))).toFixed(4),
      ];
      table.push([name, "float", ...(await scores(join(directory, file))), "", "", ""]);
      for (const [title, row] of chosenRows()) {
        const asked = withRow(given, Number(values.bits) as 2 | 4 | 8, row);
        const started = performance.now();
        const made = await quantize({ configuration: asked, directory }, { out: join(scratch, name) });
        const seconds = (performance.now() - started) / 1000;
        const decibels = (await score(made.model, againstFloat(given))).toFixed(2);
        const accuracies = await scores(made.model);
        table.push([name, title, ...accuracies, decibels, made.modelBytes, seconds.toFixed(1)]);
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(table.toString());
}

function chosenRows(): [string, Row][] {
  const wanted = values.rows?.split(";");
  return Object.entries(ROWS).filter(([title]) => wanted?.includes(title) ?? true);
}

function withRow(
  configuration: RunConfigurationInput,
  bits: 2 | 4 | 8,
  { companions, mode, plainRanges }: Row,
): RunConfigurationInput {
  const before = companions.filter((name) => name === "CrossLayerEqualization").map((name) => ({ name }));
  const behind = companions.filter((name) => name !== "CrossLayerEqualization").map((name) => ({ name }));
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

/** The same data without labels, compared with the float model's outputs. */
function againstFloat(configuration: RunConfigurationInput): RunConfigurationInput {
  const { labels: _labels, ...evaluation } = configuration.engine.evaluation ?? {};
  const { validation: _validation, ...engine } = configuration.engine;
  return { ...configuration, engine: { ...engine, evaluation, metric: { name: "sqnr" } } };
}
