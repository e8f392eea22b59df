import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { ModelSearches, SAMPLERS, type SamplerName, type SearchedTrial } from "./real/model-searches.js";
import { loadBenchModels, modelsFolder } from "./tuning/models.js";

const USAGE = `usage: npm run bench:real -- [--models demo-mnist-dscnn,dscnn-cifar10,ppocr-rec] [--trials 40,100] [--seeds 5]
  [--samplers tpe,reversal,random] [--out FILE.jsonl] [--records FOLDER]

The smallest model within the accuracy bound that each sampler has found after so many trials (the base included).
Every trial is scored on all samples, so equal trials are equal samples. One worker, no latencies: a seed repeats exactly.
--out adds a line a search as it ends. --records keeps scores for the next call; empty it when the quantizer has changed.`;

const DEFAULT_MODELS = ["demo-mnist-dscnn", "dscnn-cifar10", "ppocr-rec"];

/** The best complete trial so far; size as a share of the float model's, accuracy loss in percent. */
interface Incumbent {
  readonly trial: number;
  readonly feasible: boolean;
  readonly size: number;
  readonly accuracyLoss: number;
}

/** What one search found, at each number of trials. */
interface SearchLine {
  readonly model: string;
  readonly sampler: SamplerName;
  readonly seed: number;
  readonly samples: readonly number[];
  readonly best: readonly Incumbent[];
}

/** Feasible first, then smaller, then more accurate; what misses the bound by how far it does. */
function compare(a: Incumbent, b: Incumbent): number {
  if (a.feasible !== b.feasible) return a.feasible ? -1 : 1;
  const bySize = a.size - b.size;
  const byLoss = a.accuracyLoss - b.accuracyLoss;
  return a.feasible ? bySize || byLoss : byLoss || bySize;
}

function incumbentAfter(trials: readonly SearchedTrial[], count: number): Incumbent {
  const incumbents = trials.flatMap(({ record, judgement }): Incumbent[] =>
    judgement === undefined || record.configuration === null || record.number > count
      ? []
      : [
          {
            trial: record.number,
            feasible: judgement.violation === 0,
            size: judgement.values[0]!,
            accuracyLoss: judgement.accuracyLoss,
          },
        ],
  );
  return incumbents.reduce((best, other) => (compare(other, best) < 0 ? other : best));
}

function samplesAfter(trials: readonly SearchedTrial[], count: number): number {
  return trials.reduce(
    (sum, { record }) =>
      sum + (record.state === "failed" || record.number > count ? 0 : record.measurement.samples),
    0,
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How often the first sampler beat the other on a seed, did as well, did worse. */
function wins(lines: readonly SearchLine[], ours: SamplerName, other: SamplerName, mark: number): string {
  const counts = [0, 0, 0];
  for (const line of lines.filter(({ sampler }) => sampler === ours)) {
    const rival = lines.find(({ sampler, seed }) => sampler === other && seed === line.seed);
    if (rival !== undefined) counts[1 + Math.sign(compare(line.best[mark]!, rival.best[mark]!))]!++;
  }
  return counts.join("–");
}

function report(
  lines: readonly SearchLine[],
  marks: readonly number[],
  samplers: readonly SamplerName[],
): void {
  const table = new Table({
    style: { head: [], border: [] },
    head: [
      "model",
      "after",
      "sampler",
      "seeds",
      "feasible",
      "size of float",
      "accuracy loss %",
      "found at",
      `${samplers[0]} better–equal–worse`,
    ],
  });
  for (const model of new Set(lines.map((line) => line.model))) {
    const ofModel = lines.filter((line) => line.model === model);
    for (const [index, mark] of marks.entries()) {
      for (const sampler of samplers) {
        const best = ofModel.filter((line) => line.sampler === sampler).map((line) => line.best[index]!);
        if (best.length === 0) continue;
        const feasible = best.filter((incumbent) => incumbent.feasible);
        table.push([
          model,
          mark,
          sampler,
          best.length,
          feasible.length,
          mean(feasible.map(({ size }) => size)).toFixed(5),
          mean(feasible.map(({ accuracyLoss }) => accuracyLoss)).toFixed(3),
          mean(feasible.map(({ trial }) => trial)).toFixed(0),
          sampler === samplers[0] ? "" : wins(ofModel, samplers[0]!, sampler, index),
        ]);
      }
    }
  }
  console.log(table.toString());
}

function samplerNames(text: string): SamplerName[] {
  return text.split(",").map((name) => {
    const known = SAMPLERS.find((sampler) => sampler === name);
    if (known === undefined) throw new Error(`--samplers ${name}: give some of ${SAMPLERS.join(", ")}.`);
    return known;
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      models: { type: "string", default: DEFAULT_MODELS.join(",") },
      trials: { type: "string", default: "40,100" },
      seeds: { type: "string", default: "5" },
      samplers: { type: "string", default: SAMPLERS.join(",") },
      out: { type: "string" },
      records: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const folder = modelsFolder();
  if (values.help || folder === undefined) {
    console.log(values.help ? USAGE : "../shared/models is missing, so nothing can be measured.");
    return;
  }
  const marks = values.trials.split(",").map(Number);
  const samplers = samplerNames(values.samplers);
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const lines: SearchLine[] = [];
  try {
    for (const model of loadBenchModels(folder, values.models.split(","))) {
      const searches = await ModelSearches.open(model, scratch, values.records);
      for (let seed = 1; seed <= Number(values.seeds); seed++) {
        for (const sampler of samplers) {
          const trials = await searches.search({ sampler, seed, trials: Math.max(...marks), race: false });
          const line: SearchLine = {
            model: model.name,
            sampler,
            seed,
            samples: marks.map((mark) => samplesAfter(trials, mark)),
            best: marks.map((mark) => incumbentAfter(trials, mark)),
          };
          lines.push(line);
          if (values.out !== undefined) appendFileSync(values.out, `${JSON.stringify(line)}\n`);
        }
      }
      await searches.close();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  report(lines, marks, samplers);
}

await main();
