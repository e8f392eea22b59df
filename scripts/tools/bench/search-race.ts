import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { pickBest } from "../../../shared/search/trials/objective.js";
import { ModelSearches, type SearchedTrial } from "./real/model-searches.js";
import { loadBenchModels, modelsFolder } from "./tuning/models.js";

const USAGE = `usage: npm run bench:race -- [--models dscnn-cifar10,resnet20-cifar10] [--trials 100] [--seeds 10]
  [--out FILE.jsonl] [--records FOLDER]

The same search with and without early stopping: the number of samples scored, and whether the best model is as good: not
larger, and its accuracy not below the other's 95 % interval. Scores are shared between searches, so a configuration that
both try is scored once; samples are counted as in separate runs. --records keeps scores for the next call.`;

const DEFAULT_MODELS = ["dscnn-cifar10", "resnet20-cifar10"];

interface Winner {
  readonly trial: number;
  readonly size: number;
  readonly metric: number;
  readonly interval: readonly [number, number];
}

interface RaceLine {
  readonly model: string;
  readonly seed: number;
  readonly samples: { readonly on: number; readonly off: number };
  readonly pruned: number;
  readonly on: Winner;
  readonly off: Winner;
  readonly asGood: boolean;
}

/** The trial that a run would choose as its best, among the complete trials. */
function winnerOf(searches: ModelSearches, trials: readonly SearchedTrial[]): Winner {
  const { accuracy_loss: accuracyLoss } = searches.workload.configuration.optimizer.params;
  const candidates = trials.flatMap(({ record, judgement }) =>
    record.state !== "complete" || record.configuration === null || judgement === undefined
      ? []
      : [{ ...judgement, number: record.number, record }],
  );
  const best = pickBest({ kind: "constrained", minimize: "size", accuracyLoss }, candidates);
  if (best === undefined) throw new Error("no trial saw every sample");
  const rows = searches.rowsOf(best.record);
  return {
    trial: best.number,
    size: best.values[0]!,
    metric: best.record.measurement.metric,
    interval: searches.workload.metric.interval(rows),
  };
}

function samplesOf(trials: readonly SearchedTrial[]): number {
  return trials.reduce(
    (sum, { record }) => sum + (record.state === "failed" ? 0 : record.measurement.samples),
    0,
  );
}

async function compare(searches: ModelSearches, model: string, seed: number, trials: number) {
  const on = await searches.search({ sampler: "tpe", seed, trials, race: true });
  const off = await searches.search({ sampler: "tpe", seed, trials, race: false });
  const winners = { on: winnerOf(searches, on), off: winnerOf(searches, off) };
  const [low] = winners.off.interval;
  const { size, metric } = winners.on;
  const line: RaceLine = {
    model,
    seed,
    samples: { on: samplesOf(on), off: samplesOf(off) },
    pruned: on.filter(({ record }) => record.state === "pruned").length,
    ...winners,
    asGood: size <= winners.off.size && metric >= low,
  };
  return line;
}

function report(lines: readonly RaceLine[]): void {
  const table = new Table({
    style: { head: [], border: [] },
    head: ["model", "seeds", "samples on", "samples off", "fewer", "pruned", "as good a winner"],
  });
  for (const model of new Set(lines.map((line) => line.model))) {
    const own = lines.filter((line) => line.model === model);
    const on = own.reduce((sum, { samples }) => sum + samples.on, 0);
    const off = own.reduce((sum, { samples }) => sum + samples.off, 0);
    table.push([
      model,
      own.length,
      on,
      off,
      `${(100 * (1 - on / off)).toFixed(1)} %`,
      own.reduce((sum, { pruned }) => sum + pruned, 0),
      own.filter(({ asGood }) => asGood).length,
    ]);
  }
  console.log(table.toString());
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      models: { type: "string", default: DEFAULT_MODELS.join(",") },
      trials: { type: "string", default: "100" },
      seeds: { type: "string", default: "10" },
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
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const lines: RaceLine[] = [];
  try {
    for (const model of loadBenchModels(folder, values.models.split(","))) {
      const searches = await ModelSearches.open(model, scratch, values.records);
      for (let seed = 1; seed <= Number(values.seeds); seed++) {
        const line = await compare(searches, model.name, seed, Number(values.trials));
        lines.push(line);
        if (values.out !== undefined) appendFileSync(values.out, `${JSON.stringify(line)}\n`);
      }
      await searches.close();
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  report(lines);
}

await main();
