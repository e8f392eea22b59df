import { join } from "node:path";
import { parseArgs } from "node:util";
import { type TuneRun, tune } from "../../api/tune.js";
import { printModelTable } from "./tuning/model-table.js";
import { type BenchModel, loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:time-left -- [--models a,b] [--seeds 1,7,11] [--workers 2]`: the remaining time that `tune`
 * with `minimize: "size"` predicts after ten trials, divided by the actual remaining time. Needs an otherwise
 * idle machine.
 */
const { values } = parseArgs({
  options: {
    models: {
      type: "string",
      default: "demo-mnist-dscnn,kws-dscnn-mlperf,text-trec,dscnn-cifar10,resnet20-cifar10",
    },
    seeds: { type: "string", default: "1,7,11" },
    workers: { type: "string", default: "2" },
  },
});

const TRIALS = 10;

await printModelTable(["model", "seed", "told", "was", "ratio"], async function* (folder, scratch) {
  for (const model of loadBenchModels(folder, values.models.split(","))) {
    for (const seed of values.seeds.split(",").map(Number)) {
      const { told, was } = await follow(await start(model, seed, join(scratch, `${model.name}-${seed}`)));
      yield [
        model.name,
        String(seed),
        `${told.toFixed(1)} s`,
        `${was.toFixed(1)} s`,
        (told / was).toFixed(2),
      ];
    }
  }
});

function start({ whole, directory, trials }: BenchModel, seed: number, out: string): Promise<TuneRun> {
  const { optimizer } = whole;
  const params = { ...optimizer?.params, minimize: "size" as const };
  const configuration = { ...whole, optimizer: { ...optimizer, params } };
  return tune(
    { configuration, directory },
    { out, seed, workers: Number(values.workers), maxTrials: trials },
  );
}

/**
 * Follows a run and returns the seconds left that it predicted after ten trials (`told`) and those that it took
 * (`was`).
 */
async function follow({ progress, result }: TuneRun): Promise<{ told: number; was: number }> {
  let first: { readonly told: number; readonly at: number } | undefined;
  for await (const { trialsDone, secondsLeft } of progress)
    if (trialsDone >= TRIALS && secondsLeft !== undefined)
      first ??= { told: secondsLeft, at: performance.now() };
  await result;
  if (first === undefined) throw new Error("the run told no time left");
  return { told: first.told, was: (performance.now() - first.at) / 1000 };
}
