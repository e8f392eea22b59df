import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { tune } from "../../api/tune.js";
import { printModelTable } from "./tuning/model-table.js";
import { type BenchModel, loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:tuned-companions -- [--cases a,b] [--trials 30] [--seed 1] [--out DIR]`: what searches reach
 * without algorithms other than the quantization, with all of them always applied, and where the search decides on
 * them: the size of the best model within the bound, its metric on the evaluation and validation samples, and the
 * algorithms applied to it. `--out` keeps the runs' records.
 */
const { values } = parseArgs({
  options: {
    cases: { type: "string" },
    trials: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    out: { type: "string" },
  },
});

type Engine = RunConfigurationInput["engine"];
type Algorithm = NonNullable<NonNullable<RunConfigurationInput["compression"]>["algorithms"]>[number];

interface Case {
  readonly model: string;
  readonly file: string;
  readonly accuracyLoss: number;
  /** Whether the model's outputs are compared with the float model's instead of labels. */
  readonly againstFloat: boolean;
  readonly quantization: Algorithm;
  readonly beside: { readonly before: readonly Algorithm[]; readonly behind: readonly Algorithm[] };
}

const CALIBRATION_SAMPLES = 100;
const sampled = { stat_subset_size: CALIBRATION_SAMPLES };

const IN_FOUR_BITS: Omit<Case, "model" | "file"> = {
  accuracyLoss: 0.5,
  againstFloat: false,
  quantization: {
    name: "TunableQuantization",
    params: {
      ...sampled,
      tuning_scope: ["layer"],
      weights: { bits: 4, mode: "symmetric", granularity: "perchannel" },
      range_estimator: { preset: "default" },
    },
  },
  beside: {
    before: [{ name: "CrossLayerEqualization", params: { tune: true } }],
    behind: [
      { name: "AdaptiveRounding", params: { tune: true } },
      { name: "FastBiasCorrection", params: { tune: true } },
    ],
  },
};

const CASES: Readonly<Record<string, Case>> = {
  demo: {
    model: "demo-mnist-dscnn",
    file: "model.onnx",
    accuracyLoss: 0.5,
    againstFloat: false,
    quantization: {
      name: "TunableQuantization",
      params: { ...sampled, tuning_scope: ["layer"], range_estimator: { preset: "default" } },
    },
    beside: {
      before: [{ name: "CrossLayerEqualization", params: { tune: true } }],
      behind: [{ name: "FastBiasCorrection", params: { tune: true } }],
    },
  },
  "text-trec-outlier": {
    model: "text-trec",
    file: "model-outlier.onnx",
    // Percent: a noise amplitude of 0.5 % of the signal's is 46 dB.
    accuracyLoss: 0.5,
    againstFloat: true,
    quantization: {
      name: "TunableQuantization",
      params: {
        ...sampled,
        tuning_scope: ["layer", "range_estimator"],
        estimator_tuning_scope: ["preset"],
        estimator_preset_choices: ["default", "mse", "output_mse"],
      },
    },
    beside: {
      before: [
        { name: "SmoothQuant", params: { ...sampled, tune: true, alpha_choices: [0.3, 0.5, 0.7, 0.85] } },
      ],
      behind: [],
    },
  },
  "kws-4bit": { model: "kws-dscnn-mlperf", file: "model.onnx", ...IN_FOUR_BITS },
  "resnet20-4bit": { model: "resnet20-cifar10", file: "model.onnx", ...IN_FOUR_BITS },
};

const HEAD = [
  "case",
  "algorithms",
  "within",
  "kB",
  "evaluation",
  "validation",
  "float",
  "best has",
  "seconds",
];

await printModelTable(HEAD, async function* (folder, scratch) {
  const wanted = values.cases?.split(",");
  for (const [title, found] of Object.entries(CASES).filter(([name]) => wanted?.includes(name) ?? true)) {
    const [model] = loadBenchModels(folder, [found.model]);
    const { before, behind } = found.beside;
    const always = (algorithms: readonly Algorithm[]): Algorithm[] => algorithms.map(alwaysDone);
    const listed: readonly [string, readonly Algorithm[]][] = [
      ["without", [found.quantization]],
      ["always", [...always(before), found.quantization, ...always(behind)]],
      ["decided", [...before, found.quantization, ...behind]],
    ];
    for (const [use, algorithms] of listed) {
      const out = join(values.out ?? scratch, `${found.model}-${use}-${values.seed}`);
      yield [title, use, ...(await searched(model!, found, algorithms, out))];
    }
  }
});

/** The algorithm without the keys that let a search decide on it, so that it is always applied. */
function alwaysDone({ name, params }: Algorithm): Algorithm {
  const { tune: _, alpha_choices: __, ...fixed } = { ...params } as Readonly<Record<string, unknown>>;
  return { name, params: fixed } as Algorithm;
}

/**
 * The engine section without labels: the outputs are compared with the float model's, by signal-to-noise ratio in
 * decibels.
 */
function unlabelled({ evaluation, validation, ...engine }: Engine): Engine {
  const { labels: _, ...samples } = evaluation ?? {};
  const { labels: __, ...others } = validation ?? {};
  return { ...engine, evaluation: samples, validation: others, metric: { name: "sqnr" } };
}

async function searched(
  { directory, configuration }: BenchModel,
  { file, accuracyLoss, againstFloat }: Case,
  algorithms: readonly Algorithm[],
  out: string,
): Promise<string[]> {
  const { engine, compression } = configuration;
  const asked: RunConfigurationInput = {
    model: { ...configuration.model, model: file },
    engine: againstFloat ? unlabelled(engine) : engine,
    optimizer: {
      params: {
        max_trials: Number(values.trials),
        seed: Number(values.seed),
        accuracy_loss: accuracyLoss,
        minimize: "size",
        benchmark: { duration_seconds: 0.1 },
      },
    },
    compression: { ...compression, algorithms: [...algorithms] },
  };
  const started = performance.now();
  const { best, float } = await (await tune({ configuration: asked, directory }, { out, workers: 1 })).result;
  const seconds = (performance.now() - started) / 1000;
  if (best === null) return ["no trial"];
  const { choices } = JSON.parse(await readFile(join(out, "configuration.json"), "utf8")) as {
    readonly choices: Configuration;
  };
  const digits = againstFloat ? 2 : 4;
  return [
    best.withinBound ? "yes" : "no",
    (best.bytes / 1000).toFixed(1),
    best.metric.value.toFixed(digits),
    best.validation?.value.toFixed(digits) ?? "",
    float.metric.value.toFixed(digits),
    Object.entries(choices)
      .filter(([name]) => /\/(apply|alpha|threshold)$/.test(name))
      .map(([name, value]) => `${name} ${value}`)
      .join("\n"),
    seconds.toFixed(1),
  ];
}
