import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import * as z from "zod";
import { type ConfigurationSource, loadConfiguration } from "../../scripts/api/configuration.js";
import { tune } from "../../scripts/api/tune.js";
import { median } from "../../scripts/bench/search/study.js";
import { fetchResult } from "../../scripts/fleet/runs.js";
import { submit } from "../../scripts/fleet/submit.js";
import { packageRoot } from "../../scripts/package-root.js";
import { stateKey } from "../../shared/run/record-keys.js";
import { RunRecords } from "../../shared/run/run-records.js";
import type { TrialRecord } from "../../shared/run/state.js";
import { DEMO } from "../end-to-end/demo-configuration.js";
import { decidedTrials, finishedTrials } from "../end-to-end/run-folder.js";
import { startEmulatedFleet } from "./emulated-fleet.js";
import { startFleetServers } from "./fleet-servers.js";
import { runLikewise } from "./likewise.js";
import type { S3Server } from "./s3-server.js";

const USAGE = `usage: npm run bench:emulated -- [--models demo,resnet20-cifar10] [--trials 30] [--repeats 1]
  [--models-folder ../shared/models]

The same run by this machine's engine with two worker threads, over the emulated AWS with two evaluators, once more by
this machine's engine, which then hears the results in the fleet's order, and once more over the same fleet, whose
environments are there by then. A short run of each kind goes before, unmeasured, so that the emulators and this process
are compiled, as S3 and SQS are never cold; the functions' processes are new for each fleet that is measured. As many trials as the configuration says where --trials does not. Each gathers its
statistics anew. With --repeats all of that is done so often, and the medians of the ratios are told, as one ratio on a
shared machine varies by a third. Wall times are from the first trial asked for to the last one ended, and from the call to the written
output folder, with the fleet's cold starts and uploads in it. Trials of the first run are others than those of the
second, as results arrive in another order; those of the third must be the second's. Processor time is that of all
processes, emulators and their pollers included (functions on Linux only): unlike wall times, other work on the machine
hardly changes its ratios.`;

const WORKERS = 2;
const WARM_UP_TRIALS = 10;
/** A minute is one: a Tick has a coordinator started beside the one that is at work. */
const MINUTE_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 20;
const DEMO_NAME = "demo";
const DEFAULT_MODELS = [DEMO_NAME, "resnet20-cifar10"];

const stateSchema = z.looseObject({ phase: z.string().optional() });

/** In seconds. */
interface WallTime {
  /** From the first trial asked for to the last one ended. */
  readonly trials: number;
  /** From the first trial ended to the last one ended, which leaves out that the first job starts an evaluator. */
  readonly warm: number;
  /** From the call to the written output folder. */
  readonly overall: number;
  /** Between a trial's being asked for and its end, what is not a worker's own time for it; mean. */
  readonly aroundTrial: number;
  /** Of all processes, from the call to the written output folder. */
  readonly processor: number;
}

interface Comparison {
  readonly local: WallTime;
  readonly fleet: WallTime;
  /** This machine's engine with the fleet's order of results. */
  readonly likewise: WallTime;
  /** The fleet's next run, which starts no environment but for a thread of the run's own. */
  readonly next: WallTime;
  readonly sameTrials: boolean;
  readonly sameModel: boolean;
}

/**
 * @param work returns the run's trials in the order in which they ended
 * @param ofFunctions what a fleet's functions have had of the processors
 */
async function timed(
  work: () => Promise<readonly TrialRecord[]>,
  ofFunctions: () => number = () => 0,
): Promise<WallTime> {
  const [start, ownBefore, functionsBefore] = [performance.now(), process.cpuUsage(), ofFunctions()];
  const trials = await work();
  const overall = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(ownBefore);
  const processor = (user + system) / 1e6 + ofFunctions() - functionsBefore;
  const asked = Math.min(...trials.map(({ askedAt }) => askedAt));
  const firstEnded = Math.min(...trials.map(({ endedAt }) => endedAt));
  const ended = Math.max(...trials.map(({ endedAt }) => endedAt));
  const around = trials.flatMap((trial) =>
    trial.state === "failed" ? [] : [(trial.endedAt - trial.askedAt) / 1_000 - trial.timings.total],
  );
  return {
    trials: (ended - asked) / 1_000,
    warm: (ended - firstEnded) / 1_000,
    overall,
    processor,
    aroundTrial: around.reduce((sum, seconds) => sum + seconds, 0) / around.length,
  };
}

/** Looks into the emulator's memory, as whoever waits for a run does not take a processor from those who carry it. */
async function runEnded(objects: S3Server["objects"], runId: string): Promise<void> {
  let seen: unknown;
  for (;;) {
    const stored = objects.get(stateKey(runId));
    if (stored !== undefined && stored !== seen) {
      seen = stored;
      const { phase } = stateSchema.parse(JSON.parse(stored.body.toString()));
      if (phase === "done") return;
      if (phase === "failed") throw new Error(`Run ${runId} has failed.`);
    }
    await sleep(POLL_MILLISECONDS);
  }
}

/** One short run by this machine's engine and one over a fleet of its own. */
async function warmUp(folder: string): Promise<void> {
  const source = await loadConfiguration(join(DEMO, "config.json"), { maxTrials: WARM_UP_TRIALS });
  process.env.QUANTFLEET_CACHE = join(folder, "statistics");
  const { result } = await tune(source, { out: join(folder, "local"), workers: WORKERS });
  await result;
  const servers = await startFleetServers();
  const emulated = await startEmulatedFleet(WORKERS, async () => servers, MINUTE_MILLISECONDS);
  try {
    await submit(emulated, source, { runId: "warm-up" });
    await runEnded(servers.s3.objects, "warm-up");
    await fetchResult(emulated, "warm-up", join(folder, "fleet"));
  } finally {
    await emulated.close();
  }
}

async function inScratch(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-wall-time-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compare(source: ConfigurationSource, folder: string): Promise<Comparison> {
  const out = (name: string): string => join(folder, name);
  const local = await timed(async () => {
    process.env.QUANTFLEET_CACHE = out("statistics");
    const { result } = await tune(source, { out: out("local"), workers: WORKERS });
    await result;
    return finishedTrials(out("local"));
  });
  const servers = await startFleetServers();
  const emulated = await startEmulatedFleet(WORKERS, async () => servers, MINUTE_MILLISECONDS);
  try {
    const run = (runId: string): Promise<WallTime> =>
      timed(
        async () => {
          await submit(emulated, source, { runId });
          await runEnded(servers.s3.objects, runId);
          await fetchResult(emulated, runId, out(runId));
          const saved = await new RunRecords(emulated.store).load(runId);
          return saved?.state.finished ?? [];
        },
        () => emulated.processorSeconds(),
      );
    const fleet = await run("fleet");
    const likewise = await timed(async () => {
      await runLikewise(emulated.store, "fleet", source, out("likewise"), WORKERS);
      return finishedTrials(out("likewise"));
    });
    for await (const key of emulated.store.list("statistics/")) await emulated.store.delete(key);
    const next = await run("next");
    const [trials, trialsLikewise] = await Promise.all(
      ["fleet", "likewise"].map((name) => decidedTrials(out(name))),
    );
    const [model, modelLikewise] = await Promise.all(
      ["fleet", "likewise"].map((name) => readFile(join(out(name), "model.onnx"))),
    );
    return {
      local,
      fleet,
      likewise,
      next,
      sameTrials: JSON.stringify(trials) === JSON.stringify(trialsLikewise),
      sameModel: model?.equals(modelLikewise!) ?? false,
    };
  } finally {
    await emulated.close();
  }
}

type Run = "local" | "fleet" | "likewise" | "next";
const RATIOS: readonly { readonly label: string; readonly run: Run; readonly other: Run }[] = [
  { label: "emulated / this machine", run: "fleet", other: "local" },
  { label: "emulated / this machine, same order", run: "fleet", other: "likewise" },
  { label: "next run / this machine", run: "next", other: "local" },
  { label: "next run / this machine, same order", run: "next", other: "likewise" },
];

function report(name: string, comparison: Comparison): void {
  const { local, fleet, likewise, next, sameTrials, sameModel } = comparison;
  const table = new Table({
    style: { head: [], border: [] },
    head: [
      name,
      "first asked to last ended",
      "first to last ended",
      "overall",
      "around a trial",
      "processor",
    ],
  });
  const seconds = (time: number): string => `${time.toFixed(2)} s`;
  const row = (label: string, time: WallTime): void => {
    table.push([
      label,
      ...[time.trials, time.warm, time.overall, time.aroundTrial, time.processor].map(seconds),
    ]);
  };
  const ratio = (label: string, run: WallTime, other: WallTime): void => {
    const of = (time: (wall: WallTime) => number): string => (time(run) / time(other)).toFixed(2);
    table.push([
      label,
      of(({ trials }) => trials),
      of(({ warm }) => warm),
      of(({ overall }) => overall),
      "",
      of(({ processor }) => processor),
    ]);
  };
  row(`this machine, ${WORKERS} workers`, local);
  row(`emulated AWS, ${WORKERS} evaluators`, fleet);
  row("this machine, the fleet's order of results", likewise);
  row("emulated AWS, the next run", next);
  for (const { label, run, other } of RATIOS) ratio(label, comparison[run], comparison[other]);
  console.log(table.toString());
  console.log(
    `${name}: with the same order of results trials and choices are ${sameTrials ? "the same" : "DIFFERENT"}, the model's bytes ${sameModel ? "the same" : "DIFFERENT"}.`,
  );
  if (!(sameTrials && sameModel)) process.exitCode = 1;
}

function reportMedians(name: string, comparisons: readonly Comparison[]): void {
  const table = new Table({
    style: { head: [], border: [] },
    head: [`${name}, medians of ${comparisons.length}`, "first asked to last ended", "overall", "processor"],
  });
  for (const { label, run, other } of RATIOS) {
    const of = (time: (wall: WallTime) => number): string => {
      const ratios = comparisons
        .map((comparison) => time(comparison[run]) / time(comparison[other]))
        .sort((a, b) => a - b);
      return `${median(ratios).toFixed(2)} (${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)})`;
    };
    table.push([
      label,
      of(({ trials }) => trials),
      of(({ overall }) => overall),
      of(({ processor }) => processor),
    ]);
  }
  console.log(table.toString());
}

const { values } = parseArgs({
  options: {
    models: { type: "string", default: DEFAULT_MODELS.join(",") },
    trials: { type: "string" },
    repeats: { type: "string", default: "1" },
    "models-folder": { type: "string", default: join(packageRoot(), "..", "shared", "models") },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(USAGE);
else {
  await inScratch(warmUp);
  for (const name of values.models.split(",")) {
    const directory = name === DEMO_NAME ? DEMO : join(resolve(values["models-folder"]), name);
    const file = join(directory, "config.json");
    if (!existsSync(file)) {
      console.log(`${name} is left out, as ${file} is missing.`);
      continue;
    }
    const loaded = await loadConfiguration(
      file,
      values.trials === undefined ? {} : { maxTrials: Number(values.trials) },
    );
    const comparisons: Comparison[] = [];
    while (comparisons.length < Number(values.repeats))
      await inScratch(async (folder) => {
        const comparison = await compare(loaded, folder);
        report(name, comparison);
        comparisons.push(comparison);
      });
    if (comparisons.length > 1) reportMedians(name, comparisons);
  }
}
