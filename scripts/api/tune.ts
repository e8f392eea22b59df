import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { QuantfleetError, RunError, UsageError } from "../../shared/errors.js";
import { buildResult } from "../../shared/run/build-result.js";
import { configurationHash } from "../../shared/run/configuration/hash.js";
import { requireSupported } from "../../shared/run/configuration/supported.js";
import type { Progress } from "../../shared/run/progress.js";
import { runPrefix } from "../../shared/run/record-keys.js";
import { trialLines } from "../../shared/run/records.js";
import type { RunRequest } from "../../shared/run/request.js";
import type { RunResult } from "../../shared/run/result.js";
import { RunRecords } from "../../shared/run/run-records.js";
import { hasEnded, type RunState } from "../../shared/run/state.js";
import { FLOAT_TRIAL, findReferences, type Study } from "../../shared/run/study.js";
import { tuningStudy } from "../../shared/run/tuning-study.js";
import { finishKeys, finishSummarySchema } from "../../shared/scoring/finish.js";
import { physicalCores } from "../../shared/scoring/physical-cores.js";
import { makeRunRequest } from "../../shared/scoring/run-request.js";
import { onnxruntimeVersion } from "../../shared/scoring/session.js";
import { ThreadPool } from "../../shared/scoring/thread-pool.js";
import { loadWorkload, type Workload } from "../../shared/scoring/workload.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import { listRuns, startEngine } from "../local/engine.js";
import { type ConfigurationSource, loadConfiguration, type OptimizerOverrides } from "./configuration.js";
import { configurationDocument } from "./configuration-document.js";
import { OUTPUT_FILES, requireWritable, runFolder, writeWhole } from "./output-folder.js";
import { openStatistics, statisticsFolder } from "./statistics-folder.js";

/** Jobs within one machine are not lost without their thread dying, which is noticed; this only bounds a hang. */
const DAY_MILLISECONDS = 86_400_000;

export interface TuneOptions extends OptimizerOverrides {
  /** The output folder; `quantfleet-<model name>` in the working folder when left out. */
  readonly out?: string;
  /** Worker threads; the physical cores when left out. */
  readonly workers?: number;
  /** Go on with the unfinished run in the output folder. */
  readonly resume?: boolean;
  /** Ends the search; everything finished is kept, and the best so far is written. */
  readonly signal?: AbortSignal;
}

export interface TuneRun {
  readonly runId: string;
  readonly out: string;
  readonly workload: Workload;
  /** The latest state of things, as often as the consumer asks. */
  readonly progress: AsyncIterable<Progress>;
  /** Resolves when the output folder is written. Rejects with {@link RunError} when the run failed. */
  readonly result: Promise<RunResult>;
}

/**
 * Searches the best quantization of a model within the accuracy bound, on this machine, and writes it to the output
 * folder. Everything is checked before anything is written.
 *
 * @example
 * const run = await tune("config.json", { workers: 2 });
 * for await (const { trialsDone, best } of run.progress) console.error(trialsDone, best?.measurement.metric);
 * const { best } = await run.result;
 *
 * @throws {ConfigurationError | ModelError | DataError} before any work
 */
export async function tune(source: ConfigurationSource, options: TuneOptions = {}): Promise<TuneRun> {
  const { configuration, directory } = await loadConfiguration(source, options);
  requireSupported(configuration, "tune");
  const out = resolve(options.out ?? `quantfleet-${configuration.model.model_name ?? "model"}`);
  await requireWritable(out);
  const workload = await loadWorkload(configuration, directory, openStatistics);
  const workers = options.workers ?? physicalCores();
  const hash = configurationHash(configuration);
  const request =
    options.resume === true ? await earlierRun(out, hash) : await newRun(out, workload, workers, hash);
  const { runId } = request;
  const timers = { askSeconds: 0 };
  const study = timed(tuningStudy(workload.metric), timers);
  const engine = startEngine({
    folder: runFolder(out),
    study,
    run: options.resume === true ? { resume: runId } : { request },
    runner: new ThreadPool(
      {
        configuration,
        directory,
        records: runFolder(out),
        statistics: { folder: statisticsFolder(), shards: request.statistics.shards },
        properties: {
          "quantfleet.run": runId,
          "quantfleet.seed": String(request.seed),
          "quantfleet.configuration": hash,
        },
      },
      workers,
    ),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const result = engine.ended.then((state) =>
    writeOutputs(state, { out, study, workload, hash, workers, timers }),
  );
  // Who only follows the progress must not be ended by an unhandled rejection.
  result.catch(() => undefined);
  return { runId, out, workload, progress: engine.progress, result };
}

/** A run is named by its configuration and its place among the runs of its folder. */
const RUN_ID_HASH_LENGTH = 12;

/** Beside a run's records: the hash of the configuration that it was started with. */
const configurationKey = (runId: string): string => `${runPrefix(runId)}configuration.txt`;

async function newRun(out: string, workload: Workload, workers: number, hash: string): Promise<RunRequest> {
  const runs = await readRuns(out);
  const unfinished = runs.find(({ state }) => !hasEnded(state));
  if (unfinished !== undefined) {
    throw new UsageError(
      `${out} holds the unfinished run ${unfinished.state.request.runId}; go on with it by --resume, or give another folder by --out.`,
    );
  }
  const request = makeRunRequest(workload, {
    // Neither time nor chance: the model carries the name, and the same run must give the same bytes.
    runId: `${hash.slice(0, RUN_ID_HASH_LENGTH)}-${runs.length + 1}`,
    requestedAt: Date.now(),
    parallel: workers,
    statisticsShards: Math.min(workers, workload.calibrationBatches.count),
    evaluationShards: 1,
    timeouts: { statistics: DAY_MILLISECONDS, trial: DAY_MILLISECONDS, finish: DAY_MILLISECONDS },
  });
  const store = await FileObjectStore.open(runFolder(out));
  await store.put(configurationKey(request.runId), Buffer.from(hash));
  return request;
}

/** The run to go on with: the unfinished one, or the latest, whose output may not have been written any more. */
async function earlierRun(out: string, hash: string): Promise<RunRequest> {
  const runs = await readRuns(out);
  const found = runs.find(({ state }) => !hasEnded(state)) ?? runs.at(-1);
  if (found === undefined) {
    throw new QuantfleetError(
      "NOTHING_TO_RESUME",
      `${out} holds no run to resume; start one without --resume, or give its folder by --out.`,
    );
  }
  if (found.configurationHash !== hash) {
    throw new UsageError(
      `${out} holds a run of another configuration; resume it with the very configuration and options that it was started with, or give another folder by --out.`,
    );
  }
  return found.state.request;
}

/** The runs in an output folder, oldest first. */
async function readRuns(out: string): Promise<{ state: RunState; configurationHash: string | undefined }[]> {
  const folder = runFolder(out);
  const present = await readdir(folder).catch(() => []);
  if (present.length === 0) return [];
  const store = await FileObjectStore.open(folder);
  const records = new RunRecords(store);
  const runs: { state: RunState; configurationHash: string | undefined }[] = [];
  for (const runId of await listRuns(folder)) {
    const saved = await records.load(runId);
    const stored = await store.get(configurationKey(runId));
    if (saved === undefined) continue;
    runs.push({
      state: saved.state,
      configurationHash: stored && Buffer.from(stored.body).toString("utf8"),
    });
  }
  return runs.sort((a, b) => a.state.startedAt - b.state.startedAt);
}

/** A study that keeps the time that asking takes. */
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

interface OutputContext {
  readonly out: string;
  readonly study: Study;
  readonly workload: Workload;
  readonly hash: string;
  readonly workers: number;
  readonly timers: { readonly askSeconds: number };
}

/** Writes what the run came to into the output folder, each file whole or not at all. */
async function writeOutputs(state: RunState, context: OutputContext): Promise<RunResult> {
  const { out, study, workload, hash, workers, timers } = context;
  const { runId } = state.request;
  const store = await FileObjectStore.open(runFolder(out));
  const lines = [...trialLines(study, state)];
  await writeWhole(join(out, OUTPUT_FILES.trials), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  if (state.phase === "failed") throw new RunError(failure(state));
  const keys = finishKeys(runId);
  const stored = await store.get(keys.summary);
  if (stored === undefined || findReferences(state) === undefined) throw new RunError(failure(state));
  const summary = finishSummarySchema.parse(JSON.parse(Buffer.from(stored.body).toString("utf8")));
  const { prepared } = workload.subject;
  const result = await buildResult({
    state,
    study,
    metric: workload.metric,
    store,
    summary,
    model: { sha256: prepared.sha256, bytes: prepared.bytes },
    session: workload.configuration.engine.session,
    onnxruntime: onnxruntimeVersion(),
    configurationHash: hash,
    askSeconds: timers.askSeconds,
    workers,
  });
  const best = lines.find(({ number }) => number === result.best?.trial);
  if (best?.choices != null) {
    const { model_name: name } = workload.configuration.model;
    const document = configurationDocument(runId, best.number, best.choices, name, workload.subject);
    await writeWhole(join(out, OUTPUT_FILES.configuration), `${JSON.stringify(document, null, 2)}\n`);
  }
  for (const [key, file] of [
    [keys.externalData, OUTPUT_FILES.externalData],
    [keys.model, OUTPUT_FILES.model],
  ] as const) {
    const object = await store.get(key);
    if (object !== undefined) await writeWhole(join(out, file), object.body);
  }
  await writeWhole(join(out, OUTPUT_FILES.result), `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

function failure(state: RunState): string {
  const float = state.finished.find(({ number }) => number === FLOAT_TRIAL);
  if (state.failure !== undefined) return `The run failed: ${state.failure}.`;
  if (float?.state === "failed") return `The float model could not be scored: ${float.reason}`;
  return "The run was stopped before the float model and the base configuration had been scored; --resume goes on with it.";
}
