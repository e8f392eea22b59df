import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { UsageError } from "../../shared/basics/errors.js";
import { withProcessor } from "../../shared/configuration/hardware-file.js";
import { configurationHash } from "../../shared/configuration/hash.js";
import { resolvePath } from "../../shared/configuration/parse.js";
import { type ConfigurationFor, requireSupported } from "../../shared/configuration/supported.js";
import { checkWorkload } from "../../shared/evaluation/checks/check-workload.js";
import { ThreadPool } from "../../shared/evaluation/threads/thread-pool.js";
import { makeRunRequest, type RequestOptions } from "../../shared/evaluation/workload/run-request.js";
import type { Workload } from "../../shared/evaluation/workload/workload.js";
import type { Limits } from "../../shared/run/protocol/limits.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import { hasEnded, type TrialRecord } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { tuningStudy } from "../../shared/run/protocol/tuning-study.js";
import { writeRestoredRecord } from "../../shared/run/records/restored-record.js";
import type { Progress } from "../../shared/run/result/progress.js";
import type { RunResult } from "../../shared/run/result/result.js";
import { physicalCores } from "../../shared/runtime/physical-cores.js";
import { instructionSetOf, type ProcessorClass } from "../../shared/runtime/processor-class.js";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { type RunWarning, warning } from "../../shared/validation/warnings.js";
import { startEngine } from "../local/engine.js";
import { type ConfigurationSource, loadConfiguration, type OptimizerOverrides } from "./configuration.js";
import {
  type EarlierRun,
  earlierRun,
  newRunId,
  readRuns,
  recordRunStart,
  removeDamagedRuns,
  withReadableRecords,
} from "./earlier-runs.js";
import { requireOtherFiles, requireVacant, requireWritable, runFolder } from "./output-folder.js";
import { planStart, resumedWorkload } from "./run-start.js";
import { openStatistics, requireStatisticsFolder, statisticsFolder } from "./statistics-folder.js";
import { writeOutputs } from "./write-outputs.js";

/** Job timeout in a run on one machine: only a bound for hangs, as a thread that dies is detected at once. */
const DAY_MILLISECONDS = 86_400_000;

export interface TuneOptions extends OptimizerOverrides {
  /** The output folder; `quantfleet-<model name>` in the working directory when omitted. */
  readonly out?: string;
  /** Number of worker threads; that of physical cores when omitted. */
  readonly workers?: number;
  /**
   * Whether to resume the run in the output folder. A run that has ended is extended when `maxTrials` or
   * `maxMinutes` is higher than before.
   */
  readonly resume?: boolean;
  /**
   * Whether the result of an earlier run in the output folder may be replaced, or a new run started beside an
   * unfinished one.
   */
  readonly force?: boolean;
  /** Stops the search; finished trials are kept, and the best so far is written. */
  readonly signal?: AbortSignal;
}

export interface TuneRun {
  readonly runId: string;
  readonly out: string;
  readonly workload: Workload;
  /** Sentences for the user: what the run starts from, and which request could not be followed. */
  readonly notices: readonly string[];
  /** Notes and warnings that are known before the run starts; the result repeats them. */
  readonly warnings: readonly RunWarning[];
  /** The run's progress: each time the consumer asks, the latest. */
  readonly progress: AsyncIterable<Progress>;
  /** Resolves when the output folder is written. Rejects with {@link RunError} when the run failed. */
  readonly result: Promise<RunResult>;
}

/**
 * Searches the best quantization of a model within the accuracy bound on this machine, and writes it to the
 * output folder. All input is checked before anything is written.
 *
 * @example
 * const run = await tune("config.json", { workers: 2 });
 * for await (const { trialsDone, best } of run.progress) console.error(trialsDone, best?.measurement.metric);
 * const { best } = await run.result;
 *
 * @throws {ConfigurationError | ModelError | DataError} before the run starts
 */
export async function tune(source: ConfigurationSource, options: TuneOptions = {}): Promise<TuneRun> {
  const startedAt = Date.now();
  const { resume = false, force = false } = options;
  if (resume && force)
    throw new UsageError(
      "--resume and --force are both given; --resume keeps what --force replaces, so give one.",
    );
  const { configuration: asked, directory, notes } = await loadConfiguration(source, options);
  requireSupported(asked, "tune");
  const processor = await processorClass();
  const configuration = withProcessor(asked, processor);
  const out = resolve(options.out ?? `quantfleet-${configuration.model.model_name ?? "model"}`);
  await requireWritable(out);
  await requireOtherFiles(out, [
    resolvePath(directory, configuration.model.model),
    ...(typeof source === "string" ? [resolve(source)] : []),
  ]);
  await requireStatisticsFolder();
  const workers = options.workers ?? physicalCores();
  const hash = configurationHash(configuration);
  const { request, workload, notices, warnings, limits } = resume
    ? await resumeRun(out, hash, configuration)
    : await newRun({ configuration, notes, directory, out, workers, hash, processor, force });
  const { runId } = request;
  const timers = { askSeconds: 0 };
  const study = timed(tuningStudy(workload.metric), timers);
  const engine = startEngine({
    folder: runFolder(out),
    study,
    run: resume ? { resume: runId, ...(limits === undefined ? {} : { limits }) } : { request },
    startedAt,
    runner: new ThreadPool(workers).open({
      configuration: workload.configuration,
      directory: workload.directory,
      records: runFolder(out),
      statistics: { folder: statisticsFolder(), shards: request.statistics.shards },
      properties: {
        "quantfleet.run": runId,
        "quantfleet.seed": String(request.seed),
        "quantfleet.configuration": hash,
      },
    }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const result = withReadableRecords(out, async () =>
    writeOutputs(await engine.ended, { out, study, workload, hash, workers, timers }),
  );
  // The process of a consumer that reads only `progress` must not crash from an unhandled rejection.
  result.catch(() => undefined);
  return {
    runId,
    out,
    workload,
    notices,
    warnings,
    progress: engine.progress,
    result,
  };
}

interface PreparedRun {
  readonly request: RunRequest;
  readonly workload: Workload;
  readonly notices: readonly string[];
  readonly warnings: readonly RunWarning[];
  /** New limits of a resumed run on trials and minutes. */
  readonly limits?: Limits;
}

interface NewRunOptions {
  readonly configuration: ConfigurationFor<"tune">;
  readonly notes: readonly RunWarning[];
  readonly directory: string;
  readonly out: string;
  readonly workers: number;
  readonly hash: string;
  readonly processor: ProcessorClass;
  readonly force: boolean;
}

/**
 * Number of trials in progress at a time. Several workers get one trial more than there are workers, so that none
 * waits for the search. A single worker waits, so that each ask (proposal of a trial) learns from all earlier
 * trials.
 */
function parallelTrials(workers: number): number {
  return workers === 1 ? 1 : workers + 1;
}

async function newRun(options: NewRunOptions): Promise<PreparedRun> {
  const { configuration, notes, directory, out, workers, hash, processor, force } = options;
  const { trials_load_method: method } = configuration.optimizer.params;
  const isReplacing = force && method === "cold_start";
  const runs = isReplacing ? [] : await readRuns(out);
  const unfinished = runs.find(({ state }) => !hasEnded(state));
  if (!force && unfinished !== undefined) {
    throw new UsageError(
      `${out} holds the unfinished run ${unfinished.state.request.runId}; go on with it by --resume, give another folder by --out, or start anew by --force.`,
    );
  }
  // The other methods are meant to improve on the existing result, and report when they cannot.
  if (!force && method === "cold_start") await requireReplaceable(out, runs);
  const runId = await newRunId(out, hash);
  const requestOf = (workload: Workload, start: Partial<RequestOptions> = {}): RunRequest =>
    makeRunRequest(workload, {
      runId,
      requestedAt: Date.now(),
      parallel: parallelTrials(workers),
      statistics: { shards: Math.min(workers, workload.calibrationBatches.count) },
      evaluationShards: 1,
      isa: instructionSetOf(processor),
      timeouts: { statistics: DAY_MILLISECONDS, trial: DAY_MILLISECONDS, finish: DAY_MILLISECONDS },
      ...start,
    });
  const { workload, space, restored, maxTrials, lossReference, notices } = await planStart({
    configuration,
    directory,
    earlier: {
      runs,
      nothing: `${out} holds no earlier run with a scored quantized trial`,
      remedy: `run cold_start first, or give the folder of its output by --out (it is ${out})`,
    },
    openStatistics,
    draft: (candidate) => requestOf(candidate),
  });
  const warnings = [...notes, ...(await checkWorkload(workload)), ...workerWarnings(workers)];
  const record = restored.length === 0 ? undefined : writeRestoredRecord(space.parameters, restored);
  const request = requestOf(workload, {
    start: space,
    ...(record === undefined ? {} : { restored: record.reference }),
    ...(maxTrials === undefined ? {} : { maxTrials }),
    ...(lossReference === undefined ? {} : { lossReference }),
    warnings,
  });
  if (isReplacing) await removeDamagedRuns(out);
  await recordRunStart(out, request, { hash, directory, configuration: workload.configuration }, record);
  return { request, workload, notices, warnings };
}

/** Warns of more threads than processor cores, which slow trials down and disturb latencies. */
function workerWarnings(workers: number): RunWarning[] {
  const cores = availableParallelism();
  if (workers <= cores) return [];
  return [
    warning(
      "more-workers-than-cores",
      `${workers} workers share ${cores} processor cores, so that trials take longer and latencies are less certain; give --workers ${physicalCores()}.`,
    ),
  ];
}

/** @throws {UsageError} when a new run would replace a result, or trials whose result has not been written */
async function requireReplaceable(out: string, runs: readonly EarlierRun[]): Promise<void> {
  await requireVacant(out, "extend that run by --resume with a larger --max-trials, ");
  const scored = runs.findLast(({ state }) => state.finished.some(isScored));
  if (scored === undefined) return;
  const { request, finished } = scored.state;
  throw new UsageError(
    `${out} holds the ${finished.length} trials of run ${request.runId}; go on with it by --resume, give another folder by --out, or replace it by --force.`,
  );
}

function isScored({ state, configuration }: TrialRecord): boolean {
  return state === "complete" && configuration !== null;
}

async function resumeRun(
  out: string,
  hash: string,
  { optimizer }: ConfigurationFor<"tune">,
): Promise<PreparedRun> {
  const run = await earlierRun(out, hash);
  const { request } = run.state;
  const { max_trials, max_minutes: maxMinutes, trials_load_method: method } = optimizer.params;
  // A resumed run of method `eval` keeps its own number of trials, whatever the configuration says.
  const maxTrials = method === "eval" ? request.optimizer.maxTrials : max_trials;
  const workload = await resumedWorkload(run, openStatistics);
  return { request, workload, notices: [], warnings: [], limits: { maxTrials, maxMinutes } };
}

/** The same study with its asks (the sampler's proposals of trials) timed: their seconds are added to `timers`. */
function timed(study: Study, timers: { askSeconds: number }): Study {
  return {
    ...study,
    createSampler: (request, sensitivity) => {
      const sampler = study.createSampler(request, sensitivity);
      return {
        started: (trial, configuration) => sampler.started(trial, configuration),
        tell: (trial) => sampler.tell(trial),
        ask: (trial) => {
          const start = performance.now();
          const configuration = sampler.ask(trial);
          timers.askSeconds += (performance.now() - start) / 1000;
          return configuration;
        },
      };
    },
  };
}
