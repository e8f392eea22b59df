import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import * as z from "zod";
import { loadConfiguration } from "../../scripts/api/configuration.js";
import { tune } from "../../scripts/api/tune.js";
import { EXIT } from "../../scripts/cli/commands/exit-code.js";
import { fetchResult } from "../../scripts/fleet/following/runs.js";
import { submit } from "../../scripts/fleet/submission/submit.js";
import { packageRoot } from "../../scripts/package/package-root.js";
import { median } from "../../scripts/tools/bench/search/study.js";
import { stateKey } from "../../shared/run/protocol/record-keys.js";
import type { TrialRecord } from "../../shared/run/protocol/state.js";
import { RunRecords } from "../../shared/run/records/run-records.js";
import { startCommand } from "../end-to-end/steps/command.js";
import { DEMO } from "../end-to-end/steps/demo-configuration.js";
import { decidedTrials, finishedTrials } from "../end-to-end/steps/run-folder.js";
import { startFleetServers } from "./aws/fleet-servers.js";
import type { S3Server } from "./aws/s3-server.js";
import { startEmulatedFleet } from "./emulated-fleet.js";
import { processorSeconds } from "./process-times.js";
import { replayLocally } from "./replay-locally.js";

const USAGE = `usage: npm run bench:emulated -- [--models demo,resnet20-cifar10] [--trials 30] [--repeats 1]
  [--models-folder ../shared/models]

The same run by this machine's engine with two worker threads and over the emulated AWS with two evaluators, like beside
like. Cold: the commands tune --out and submit --out, each a process of its own, on a fleet none of whose functions
runs yet. Warm: tune within this process, which has run it before, and the fleet's next run, submitted and
fetched within this process. And once more by this machine's engine within this process, which then hears the results in
the order of the fleet's first run: its trials must be the same. As many trials as the configuration says where --trials
does not; each gathers its statistics anew. A short run of each kind goes before, unmeasured, as S3 and SQS are never cold.

Wall times are from the first trial asked for to the last one ended, and from the call, or the start of the command, to the
written output folder, with starts and uploads in it. Processor time is that of all processes, emulators and their pollers
included (functions and commands on Linux only). With --repeats all of that is done so often, and the medians of the ratios
are told, as one ratio on a shared machine varies by a third.`;

const WORKERS = 2;
const WARM_UP_TRIALS = 10;
/** Real minutes, because a Tick starts a second coordinator beside the busy one. */
const MINUTE_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 20;
const DEMO_NAME = "demo";
const DEFAULT_MODELS = [DEMO_NAME, "resnet20-cifar10"];

/** Exit codes of commands that have written their output. */
const WRITTEN: readonly (number | string)[] = [EXIT.done, EXIT.boundMissed];

const stateSchema = z.looseObject({ phase: z.string().optional() });

/** Durations in seconds. */
interface WallTime {
  /** From the start of the first trial to the end of the last one. */
  readonly trials: number;
  /** From the end of the first trial to the end of the last one, without the start of the first evaluator. */
  readonly warm: number;
  /** From the call to the written output folder. */
  readonly overall: number;
  /** Mean time between a trial's start and end without the worker's own time for it. */
  readonly aroundTrial: number;
  /** Processor time of all processes, from the call to the written output folder. */
  readonly processor: number;
}

/** The runs compared, in order of execution. */
const RUNS = {
  tuneCommand: `tune, a process of its own, ${WORKERS} workers`,
  fleetByCommands: `emulated AWS by commands, first run, ${WORKERS} evaluators`,
  replay: "this machine's engine, the fleet's order of results",
  tune: "tune, within this process",
  nextRun: "emulated AWS, next run, within this process",
} as const;
type Run = keyof typeof RUNS;

const RATIOS: readonly { readonly label: string; readonly run: Run; readonly other: Run }[] = [
  { label: "cold: emulated AWS / tune", run: "fleetByCommands", other: "tuneCommand" },
  { label: "warm: emulated AWS / tune", run: "nextRun", other: "tune" },
  { label: "warm emulated AWS / engine with the first run's order", run: "nextRun", other: "replay" },
  { label: "cold emulated AWS / warm engine, same order", run: "fleetByCommands", other: "replay" },
];

interface Comparison {
  readonly times: Readonly<Record<Run, WallTime>>;
  readonly sameTrials: boolean;
  readonly sameModel: boolean;
}

/**
 * @param work returns the run's trials in the order in which they ended
 * @param ofOthers processor time of other processes so far
 */
async function timed(
  work: () => Promise<readonly TrialRecord[]>,
  ofOthers: () => number = () => 0,
): Promise<WallTime> {
  const [start, ownBefore, othersBefore] = [performance.now(), process.cpuUsage(), ofOthers()];
  const trials = await work();
  const overall = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(ownBefore);
  const processor = (user + system) / 1e6 + ofOthers() - othersBefore;
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

/** Runs commands and sums their processor time. */
class Commands {
  #processorSeconds = 0;

  constructor(private readonly folder: string) {}

  get processorSeconds(): number {
    return this.#processorSeconds;
  }

  async run(...argv: string[]): Promise<void> {
    const command = startCommand(argv, this.folder);
    const { pid = 0 } = command.process;
    let seconds = 0;
    // Polled, because the times of an ended process cannot be read.
    const looking = setInterval(() => {
      seconds = Math.max(seconds, processorSeconds(pid));
    }, POLL_MILLISECONDS);
    const { code, stderr } = await command.outcome.finally(() => clearInterval(looking));
    this.#processorSeconds += seconds;
    if (!WRITTEN.includes(code)) throw new Error(`quantfleet ${argv.join(" ")} has failed: ${stderr}`);
  }
}

/**
 * Waits for the end of a run by reading the emulator's memory, which takes no processor time from the run.
 */
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

/** A short local run, and one over a separate fleet. */
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

async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-wall-time-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param trials number of trials; that of the configuration when absent */
async function compare(file: string, trials: number | undefined, folder: string): Promise<Comparison> {
  const out = (run: Run): string => join(folder, run);
  const size = trials === undefined ? {} : { maxTrials: trials };
  const source = await loadConfiguration(file, size);
  const sizeFlags = trials === undefined ? [] : ["--max-trials", String(trials)];
  const commands = new Commands(folder);
  const ofCommands = (): number => commands.processorSeconds;
  const tuneCommand = await timed(async () => {
    const workers = ["--workers", String(WORKERS)];
    await commands.run("tune", file, "--out", out("tuneCommand"), ...workers, ...sizeFlags);
    return finishedTrials(out("tuneCommand"));
  }, ofCommands);
  const servers = await startFleetServers();
  const emulated = await startEmulatedFleet(WORKERS, async () => servers, MINUTE_MILLISECONDS);
  try {
    const finishedIn = async (runId: Run): Promise<readonly TrialRecord[]> =>
      (await new RunRecords(emulated.store).load(runId))?.state.finished ?? [];
    Object.assign(process.env, emulated.environment);
    const fleetByCommands = await timed(
      async () => {
        const stack = ["--stack", emulated.stack];
        const name = ["--run-id", "fleetByCommands"];
        await commands.run("submit", file, ...name, "--out", out("fleetByCommands"), ...stack, ...sizeFlags);
        return finishedIn("fleetByCommands");
      },
      () => ofCommands() + emulated.processorSeconds(),
    );
    const replay = await timed(async () => {
      await replayLocally(emulated.store, "fleetByCommands", source, out("replay"), WORKERS);
      return finishedTrials(out("replay"));
    });
    const tuneWithin = await timed(async () => {
      process.env.QUANTFLEET_CACHE = join(folder, "statistics-within");
      const { result } = await tune(source, { out: out("tune"), workers: WORKERS });
      await result;
      return finishedTrials(out("tune"));
    });
    for await (const key of emulated.store.list("statistics/")) await emulated.store.delete(key);
    const nextRun = await timed(
      async () => {
        await submit(emulated, source, { runId: "nextRun" });
        await runEnded(servers.s3.objects, "nextRun");
        await fetchResult(emulated, "nextRun", out("nextRun"));
        return finishedIn("nextRun");
      },
      () => emulated.processorSeconds(),
    );
    const pair = ["fleetByCommands", "replay"] as const;
    const [decided, decidedInReplay] = await Promise.all(pair.map((run) => decidedTrials(out(run))));
    const [model, modelOfReplay] = await Promise.all(
      pair.map((run) => readFile(join(out(run), "model.onnx"))),
    );
    return {
      times: { tuneCommand, fleetByCommands, replay, tune: tuneWithin, nextRun },
      sameTrials: JSON.stringify(decided) === JSON.stringify(decidedInReplay),
      sameModel: model?.equals(modelOfReplay!) ?? false,
    };
  } finally {
    await emulated.close();
  }
}

function report(name: string, { times, sameTrials, sameModel }: Comparison): void {
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
  for (const run of Object.keys(RUNS) as Run[]) row(RUNS[run], times[run]);
  for (const { label, run, other } of RATIOS) ratio(label, times[run], times[other]);
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
        .map(({ times }) => time(times[run]) / time(times[other]))
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
  await inTemporaryFolder(warmUp);
  for (const name of values.models.split(",")) {
    const directory = name === DEMO_NAME ? DEMO : join(resolve(values["models-folder"]), name);
    const file = join(directory, "config.json");
    if (!existsSync(file)) {
      console.log(`${name} is left out, as ${file} is missing.`);
      continue;
    }
    const trials = values.trials === undefined ? undefined : Number(values.trials);
    const comparisons: Comparison[] = [];
    while (comparisons.length < Number(values.repeats))
      await inTemporaryFolder(async (folder) => {
        const comparison = await compare(file, trials, folder);
        report(name, comparison);
        comparisons.push(comparison);
      });
    if (comparisons.length > 1) reportMedians(name, comparisons);
  }
}
