import { rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ThreadPool } from "../shared/evaluation/threads/thread-pool.js";
import { failureReport } from "../shared/run/protocol/failure-report.js";
import type { Job, JobReport } from "../shared/run/protocol/messages.js";
import { RunRecords } from "../shared/run/records/run-records.js";
import type { ContentFolder } from "../shared/run/store/content-cache.js";
import { DamagedRecordError } from "../shared/run/store/damaged-record.js";
import {
  readWorkloadDocument,
  type WorkloadDocument,
  type WorkloadFile,
} from "../shared/run/store/workload-document.js";
import { fetchWorkloadFiles, type WorkloadFolders } from "../shared/run/store/workload-folder.js";
import { workerHost } from "../shared/runtime/worker-host.js";
import { makeFolder } from "../shared/storage/make-folder.js";
import type { ObjectStore } from "../shared/storage/object-store.js";

/**
 * Share of the function's temporary storage that cached models and data may take; the rest is for files
 * derived from them.
 */
const CACHE_SHARE = 0.75;

/**
 * Time that a thread opening a large model may take before it is terminated when another run's job arrives.
 */
const READY_PATIENCE_MILLISECONDS = 60_000;

/** Settings of the worker thread of a run. */
export interface RunSettings {
  /** Folder of the run's files. */
  readonly directory: string;
  /** Cache of files by the hash of their content, kept for later runs. */
  readonly contents: ContentFolder;
  readonly document: WorkloadDocument;
  readonly statisticsShards: number;
  readonly properties: Readonly<Record<string, string>>;
}

export interface RunWorkersOptions {
  readonly store: ObjectStore;
  /** Folder for models and data, kept between invocations. */
  readonly folder: string;
  /** URL of the module that the worker thread runs. */
  readonly entry: URL;
  /** Selects the files that the thread needs from those of a run whose folder is `directory`. */
  readonly filesOf: (document: WorkloadDocument, directory: string) => readonly WorkloadFile[];
}

export function openRunWorkers(options: Omit<RunWorkersOptions, "folder">): RunWorkers {
  return new RunWorkers({ ...options, folder: join(tmpdir(), "quantfleet") });
}

/**
 * The worker thread of the run that this environment works on. Model, data, statistics and sessions stay in
 * it between invocations. A job of another run ends the thread and starts a new one, because memory suffices
 * for one run.
 *
 * The first thread starts with the environment, so that it loads its module and ONNX Runtime while the job is
 * claimed and the run's files are fetched.
 */
class RunWorkers {
  #current: { readonly runId: string; readonly pool: ThreadPool<RunSettings> } | undefined;
  /** A thread that has been started and has not been given a run yet. */
  #idle: ThreadPool<RunSettings> | undefined;

  constructor(private readonly options: RunWorkersOptions) {
    this.#idle = this.#startThread();
  }

  /**
   * Runs a job in the thread of its run; if the thread dies, the report is a failure.
   *
   * @returns `undefined` if the job's run was never requested
   */
  async run(job: Job, signal: AbortSignal): Promise<JobReport | undefined> {
    const fail = (error: unknown): JobReport =>
      failureReport(job, error, { worker: workerHost(), at: Date.now() });
    let pool: ThreadPool<RunSettings> | undefined;
    try {
      pool = await this.#open(job.runId);
    } catch (error) {
      // Missing files are reported as a failure of the job: retrying is useless, and the run would end only
      // after days.
      if (error instanceof UnusableFilesError) return fail(error);
      throw error;
    }
    if (pool === undefined) return undefined;
    try {
      return await pool.run(job, signal);
    } catch (error) {
      // A thread that failed to open its workload or died is not reused.
      if (this.#current?.pool === pool) await this.close();
      signal.throwIfAborted();
      return fail(error);
    }
  }

  /** Waits until the worker thread has loaded its module and ONNX Runtime. */
  async started(): Promise<void> {
    await (this.#idle ?? this.#current?.pool)?.loaded();
  }

  /**
   * Fetches and opens model and data of a run before its first job.
   *
   * @returns `false` if the run was never requested
   */
  async prepare(runId: string): Promise<boolean> {
    const pool = await this.#open(runId);
    await pool?.prepared();
    return pool !== undefined;
  }

  /**
   * Ends the thread of the current run, even during a job; it is terminated if it does not end by itself in
   * time.
   */
  async close(patienceMilliseconds?: number): Promise<void> {
    const { pool } = this.#current ?? {};
    this.#current = undefined;
    await pool?.close(patienceMilliseconds);
  }

  #startThread(): ThreadPool<RunSettings> {
    return new ThreadPool<RunSettings>(1, this.options.entry, this.options.store);
  }

  async #open(runId: string): Promise<ThreadPool<RunSettings> | undefined> {
    if (this.#current?.runId === runId) return this.#current.pool;
    const { store, folder, filesOf } = this.options;
    const [document, request] = await Promise.all([
      readWorkloadDocument(store, runId),
      new RunRecords(store).readPlainRequest(runId),
    ]);
    if (document === undefined || request === undefined) return undefined;
    // The thread of the previous run has no job, but may still be opening its model.
    await this.close(READY_PATIENCE_MILLISECONDS);
    this.#idle ??= this.#startThread();
    // Temporary storage suffices for one run, so the previous run's folder is removed; contents shared with
    // the next run stay in the cache.
    await rm(join(folder, "runs"), { recursive: true, force: true });
    const directory = join(folder, "runs", runId);
    await makeFolder(directory);
    const { bsize, blocks } = await statfs(directory);
    const cacheBytes = CACHE_SHARE * bsize * blocks;
    const cache = join(folder, "contents");
    await fetchFiles(store, filesOf(document, directory), { folder: directory, cache, cacheBytes });
    const properties = {
      "quantfleet.run": runId,
      "quantfleet.seed": String(request.seed),
      "quantfleet.configuration": document.configurationHash,
    };
    const statisticsShards = request.statistics.shards;
    const contents = { folder: cache, maxBytes: cacheBytes };
    const settings = { directory, contents, document, statisticsShards, properties };
    const pool = this.#idle.open(settings);
    this.#idle = undefined;
    this.#current = { runId, pool };
    return pool;
  }
}

/** Thrown if files of a run are missing from the bucket or have changed. */
class UnusableFilesError extends Error {
  override readonly name = "UnusableFilesError";
}

/**
 * Fetches a run's files from the store into its folder.
 *
 * @throws UnusableFilesError if files are missing or have changed
 */
async function fetchFiles(
  store: ObjectStore,
  files: readonly WorkloadFile[],
  folders: WorkloadFolders,
): Promise<void> {
  try {
    await fetchWorkloadFiles(store, files, folders);
  } catch (error) {
    if (error instanceof DamagedRecordError) throw new UnusableFilesError(error.message, { cause: error });
    throw error;
  }
}
