import { fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { validateConfiguration } from "../../../shared/configuration/parse.js";
import { quantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import { loadDataset } from "../../../shared/data/load-dataset.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { isHistogram, type StatisticsRequirement } from "../../../shared/statistics/requirement.js";
import { type BenchModel, loadBenchModels, modelsFolder } from "./tuning/models.js";

/**
 * `npm run bench:statistics -- [--models a,b]`: cost of the pass that collects statistics for all range
 * estimators: time per sample with and without histograms, and peak memory for 1,000 samples and for ten
 * passes over 100 samples, so that both allocate the same amount. Each measurement runs in a separate
 * process.
 */
const { values } = parseArgs({
  options: {
    models: { type: "string", default: "resnet20-cifar10,dscnn-cifar10,ppocr-cls" },
    gather: { type: "string" },
    samples: { type: "string", default: "100" },
    histograms: { type: "string", default: "yes" },
  },
});

const COUNTS = [100, 1000] as const;
const REPEATS = 3;
const MEBIBYTE = 2 ** 20;

/**
 * Number of samples between forced garbage collections, so that live memory is measured and not uncollected
 * garbage.
 */
const COLLECTED_EVERY = 10;

/** What a process that collected statistics reports of its pass over the samples. */
interface Pass {
  readonly peakBytes: number;
  readonly millisecondsPerSample: number;
  readonly rowBytes: number;
  readonly tableBytes: number;
}

const folder = modelsFolder();
if (folder === undefined) {
  console.log("../shared/models is missing, so nothing can be measured.");
} else if (values.gather !== undefined) {
  const [model] = loadBenchModels(folder, [values.gather]);
  process.send?.(await gather(model!, Number(values.samples), values.histograms === "yes"));
} else {
  await compare(values.models.split(","));
}

async function compare(names: readonly string[]): Promise<void> {
  const table = new Table({
    style: { head: [], border: [] },
    head: [
      "model",
      "ms a sample, no histograms",
      "with histograms",
      ...COUNTS.map((count) => `peak MiB, ${count} samples`),
      "growth",
      "rows that are added",
      "table MiB",
    ],
  });
  const mebibytes = (bytes: number): string => (bytes / MEBIBYTE).toFixed(1);
  for (const name of names) {
    const plain = await median(name, COUNTS[0], "no");
    const [few, many] = [await median(name, COUNTS[0], "yes"), await median(name, COUNTS[1], "yes")];
    table.push([
      name,
      plain.millisecondsPerSample.toFixed(2),
      few.millisecondsPerSample.toFixed(2),
      mebibytes(few.peakBytes),
      mebibytes(many.peakBytes),
      mebibytes(many.peakBytes - few.peakBytes),
      mebibytes(many.rowBytes - few.rowBytes),
      mebibytes(many.tableBytes),
    ]);
  }
  console.log(table.toString());
}

/** Runs several passes over the samples and returns the one with the median peak memory. */
async function median(name: string, samples: number, histograms: "yes" | "no"): Promise<Pass> {
  const passes: Pass[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const child = fork(
      fileURLToPath(import.meta.url),
      ["--gather", name, "--samples", `${samples}`, "--histograms", histograms],
      { execArgv: ["--expose-gc"] },
    );
    passes.push(
      await new Promise<Pass>((resolve, reject) => {
        child.once("message", (pass) => resolve(pass as Pass));
        child.once("exit", (code) => reject(new Error(`The process of ${name} ended with ${code}.`)));
      }),
    );
  }
  return passes.sort((a, b) => a.peakBytes - b.peakBytes)[Math.floor(REPEATS / 2)]!;
}

async function gather(model: BenchModel, count: number, counted: boolean): Promise<Pass> {
  const { directory } = model;
  const { configuration } = validateConfiguration(model.configuration, { directory });
  const prepared = await prepareModelFile(join(directory, configuration.model.model));
  const settings = quantizationSettings(configuration);
  const subject = makeSubject(prepared, {
    ...settings,
    options: {
      ...settings.options,
      tuningScope: new Set(["mode", "range_estimator"]),
      estimatorScope: new Set(["preset", "type", "aggregator", "outlier_prob"]),
      outlierProbChoices: [1e-3, 1e-4, 1e-5],
      presetChoices: ["default", "quantile", "mse", "output_mse"],
    },
  });
  const dataset = await loadDataset(configuration.engine.evaluation!, {
    directory,
    inputs: prepared.inputs,
    path: "engine.evaluation",
    cacheBytes: 0,
  });
  const requirement = counted ? subject.statistics : withoutHistograms(subject.statistics);
  const pass = () =>
    collectStatistics(prepared.model, requirement, {
      count,
      batch: (index) => {
        if (index % COLLECTED_EVERY === 0) globalThis.gc?.();
        return dataset.batch([index % COUNTS[0]]);
      },
    });
  const started = performance.now();
  let table = await pass();
  const milliseconds = performance.now() - started;
  for (let done = count; done < COUNTS[1]; done += count) table = await pass();
  const width = table.columns.reduce((sum, column) => sum + (column.width ?? 1), 0);
  return {
    peakBytes: process.resourceUsage().maxRSS * 1024,
    millisecondsPerSample: milliseconds / count,
    rowBytes: count * width * Float32Array.BYTES_PER_ELEMENT,
    tableBytes: table.encode().byteLength,
  };
}

function withoutHistograms(requirement: StatisticsRequirement): StatisticsRequirement {
  return new Map(
    [...requirement].map(([tensor, statistics]) => [tensor, statistics.filter((s) => !isHistogram(s))]),
  );
}
