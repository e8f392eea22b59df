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

/** Of the temporary storage, for models and data of this run and of earlier ones; the rest is for what is made of them. */
const CACHE_SHARE = 0.75;

/** A thread that opens a large model when another run's job comes is waited for as long. */
const READY_PATIENCE_MILLISECONDS = 60_000;

/** What a thread of a run is started with. */
export interface RunSettings {
  /** Where the run's files lie. */
  readonly directory: string;
  /** Contents that outlive the run. */
  readonly contents: ContentFolder;
  readonly document: WorkloadDocument;
  readonly statisticsShards: number;
  readonly properties: Readonly<Record<string, string>>;
}

export interface RunWorkersOptions {
  readonly store: ObjectStore;
  /** For models and data; Lambda keeps it from one invocation to the next. */
  readonly folder: string;
  /** The threads' module. */
  readonly entry: URL;
  /** The files that the thread works on, of all of a run that lies in `directory`. */
  readonly filesOf: (document: WorkloadDocument, directory: string) => readonly WorkloadFile[];
}

export function openRunWorkers(options: Omit<RunWorkersOptions, "folder">): RunWorkers {
  return new RunWorkers({ ...options, folder: join(tmpdir(), "quantfleet") });
}

/**
 * The worker thread of the run that this environment works for. Model, data, statistics and sessions stay in it
 * between invocations. Another run's job ends it and starts one of its own, as memory is for one.
 *
 * The first thread starts with the environment, so that it loads its module and ONNX Runtime while the job is claimed
 * and the run's files are fetched.
 */
class RunWorkers {
  #current: { readonly runId: string; readonly pool: ThreadPool<RunSettings> } | undefined;
  /** Has no run yet. */
  #idle: ThreadPool<RunSettings> | undefined;

  constructor(private readonly options: RunWorkersOptions) {
    this.#idle = this.#startThread();
  }

  /**
   * Carries a job out; a thread that dies of it is its answer.
   *
   * @returns `undefined` where nobody has asked for the job's run
   */
  async run(job: Job, signal: AbortSignal): Promise<JobReport | undefined> {
    const fail = (error: unknown): JobReport =>
      failureReport(job, error, { worker: workerHost(), at: Date.now() });
    let pool: ThreadPool<RunSettings> | undefined;
    try {
      pool = await this.#open(job.runId);
    } catch (error) {
      // Nobody will ever find them: waited for, the run would end after days.
      if (error instanceof UnusableFilesError) return fail(error);
      throw error;
    }
    if (pool === undefined) return undefined;
    try {
      return await pool.run(job, signal);
    } catch (error) {
      // A thread whose workload did not open, or which died, is not asked again.
      if (this.#current?.pool === pool) await this.close();
      signal.throwIfAborted();
      return fail(error);
    }
  }

  /** Waits until the thread has loaded its module and ONNX Runtime. */
  async started(): Promise<void> {
    await (this.#idle ?? this.#current?.pool)?.loaded();
  }

  /**
   * Fetches and opens what a run works on, ahead of its first job.
   *
   * @returns `false` where nobody has asked for the run
   */
  async prepare(runId: string): Promise<boolean> {
    const pool = await this.#open(runId);
    await pool?.prepared();
    return pool !== undefined;
  }

  /** Ends the thread, whatever it is doing. */
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
    // It has no job, but may be getting ready for one.
    await this.close(READY_PATIENCE_MILLISECONDS);
    this.#idle ??= this.#startThread();
    // Temporary storage, too, is for one run; contents that the next one shares are kept.
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

/** Models or data of a run are gone from the bucket, or are others. */
class UnusableFilesError extends Error {
  override readonly name = "UnusableFilesError";
}

/** @throws UnusableFilesError */
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
