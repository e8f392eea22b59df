import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { ModelSearches, SAMPLERS, type SamplerName, type SearchedTrial } from "./real/model-searches.js";
import { loadBenchModels, modelsFolder } from "./tuning/models.js";

const USAGE = `usage: npm run bench:real -- [--models demo-mnist-dscnn,dscnn-cifar10,ppocr-rec] [--trials 40,100] [--seeds 5]
  [--samplers tpe,reversal,random] [--race off|on] [--out FILE.jsonl] [--records FOLDER]

The smallest model within the accuracy bound that each sampler has found after scoring the samples of the given numbers
of complete trials (the base included). Without early stopping (--race off, the default) that is this number of trials;
with it, each sampler has more of them. With one worker and no latencies a seed is reproducible. --out appends one line
per search. --records keeps scores for the next call; empty the folder when the quantizer has changed.`;

/** With early stopping a search may run this many times more trials; it ends when the samples are used up. */
const RACED_TRIALS = 2.5;

const DEFAULT_MODELS = ["demo-mnist-dscnn", "dscnn-cifar10", "ppocr-rec"];

/** The best complete trial so far; size as a share of the float model's, accuracy loss in percent. */
interface Incumbent {
  readonly trial: number;
  readonly feasible: boolean;
  readonly size: number;
  readonly accuracyLoss: number;
}

/** Results of one search, each read when it had scored the samples of a given number of complete trials. */
interface SearchLine {
  readonly model: string;
  readonly sampler: SamplerName;
  readonly seed: number;
  readonly race: boolean;
  /** Numbers of trials started and finished, and of the samples that they scored. */
  readonly trials: readonly number[];
  readonly samples: readonly number[];
  readonly best: readonly Incumbent[];
}

/**
 * Comparison function that sorts the best trial first: feasible trials by size, then accuracy; after them
 * infeasible ones by accuracy loss, then size.
 */
function compare(a: Incumbent, b: Incumbent): number {
  if (a.feasible !== b.feasible) return a.feasible ? -1 : 1;
  const bySize = a.size - b.size;
  const byLoss = a.accuracyLoss - b.accuracyLoss;
  return a.feasible ? bySize || byLoss : byLoss || bySize;
}

/**
 * The trials, from the base (trial 1) on, that together scored at most as many samples as `wholeTrials` complete
 * trials.
 */
function within(trials: readonly SearchedTrial[], wholeTrials: number): readonly SearchedTrial[] {
  const most = wholeTrials * Math.max(...trials.map(samplesOf));
  let samples = 0;
  const candidates = trials.filter(({ record }) => record.configuration !== null);
  const first = candidates.findIndex((trial) => {
    samples += samplesOf(trial);
    return samples > most;
  });
  return first < 0 ? candidates : candidates.slice(0, first);
}

function samplesOf({ record }: SearchedTrial): number {
  return record.state === "failed" ? 0 : record.measurement.samples;
}

/** The best complete trial of a search. */
function incumbentOf(trials: readonly SearchedTrial[]): Incumbent {
  const incumbents = trials.flatMap(({ record, judgement }): Incumbent[] =>
    judgement === undefined || record.state !== "complete"
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

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The numbers of seeds on which the first sampler's best trial was better than the other's, equal, and worse. */
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
      "trials",
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
        const bySampler = ofModel.filter((line) => line.sampler === sampler);
        const best = bySampler.map((line) => line.best[index]!);
        if (best.length === 0) continue;
        const feasible = best.filter((incumbent) => incumbent.feasible);
        table.push([
          model,
          mark,
          sampler,
          best.length,
          mean(bySampler.map(({ trials }) => trials[index]!)).toFixed(0),
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
    if (known === undefined)
      throw new Error(
        `--samplers names ${name}, which is no sampler; give one or more of ${SAMPLERS.join(", ")}, separated by commas.`,
      );
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
      race: { type: "string", default: "off" },
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
  if (values.race !== "on" && values.race !== "off")
    throw new Error(`--race ${values.race}: give on or off.`);
  const race = values.race === "on";
  const limit = Math.ceil(Math.max(...marks) * (race ? RACED_TRIALS : 1));
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const lines: SearchLine[] = [];
  try {
    for (const model of loadBenchModels(folder, values.models.split(","))) {
      const searches = await ModelSearches.open(model, scratch, values.records);
      for (let seed = 1; seed <= Number(values.seeds); seed++) {
        for (const sampler of samplers) {
          const trials = await searches.search({ sampler, seed, trials: limit, race });
          const parts = marks.map((mark) => within(trials, mark));
          const line: SearchLine = {
            model: model.name,
            sampler,
            seed,
            race,
            trials: parts.map((part) => part.length),
            samples: parts.map((part) => part.reduce((sum, trial) => sum + samplesOf(trial), 0)),
            best: parts.map(incumbentOf),
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
