import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ConfigurationSource, loadConfiguration } from "../../scripts/api/configuration.js";
import { writeOutputs } from "../../scripts/api/write-outputs.js";
import { startEngine } from "../../scripts/local/engine.js";
import type { JobRunner } from "../../scripts/local/job-runner.js";
import { configurationHash } from "../../shared/configuration/hash.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { ThreadPool } from "../../shared/evaluation/threads/thread-pool.js";
import { loadWorkload } from "../../shared/evaluation/workload/workload.js";
import type { Job, JobReport } from "../../shared/run/protocol/messages.js";
import { tuningStudy } from "../../shared/run/protocol/tuning-study.js";
import { RunRecords } from "../../shared/run/records/run-records.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";

const DAY_MILLISECONDS = 86_400_000;

/**
 * Repeats a fleet's run locally, applying the trials' results in the order in which the fleet's coordinator
 * applied them, and writes its output folder.
 *
 * @param workers number of threads
 */
export async function replayLocally(
  fleet: ObjectStore,
  runId: string,
  source: ConfigurationSource,
  out: string,
  workers: number,
): Promise<void> {
  const saved = await new RunRecords(fleet).load(runId);
  const request = await new RunRecords(fleet).readRequest(runId);
  if (saved === undefined || request === undefined) throw new Error(`The fleet has no run ${runId}.`);
  const { configuration, directory } = await loadConfiguration(source);
  requireSupported(configuration, "tune");
  const folder = join(out, "run");
  const statistics = join(out, "statistics");
  await mkdir(folder, { recursive: true });
  const workload = await loadWorkload(configuration, directory, () => FileObjectStore.open(statistics));
  const hash = configurationHash(configuration);
  const properties = {
    "quantfleet.run": runId,
    "quantfleet.seed": String(request.seed),
    "quantfleet.configuration": hash,
  };
  const shards = request.statistics.shards;
  const settings = {
    configuration,
    directory,
    records: folder,
    statistics: { folder: statistics, shards },
    properties,
  };
  const order = saved.state.finished.map(({ number }) => number);
  const runner = new OrderedRunner(new ThreadPool(workers).open(settings), request.parallel, order);
  const study = tuningStudy(workload.metric);
  // An answer that waits for its turn must not become overdue.
  const timeouts = { statistics: DAY_MILLISECONDS, trial: DAY_MILLISECONDS, finish: DAY_MILLISECONDS };
  // The statistics key differs, because the arrays that images were packed into are other files than the
  // images.
  const gathered = { ...request.statistics, key: workload.statisticsKey };
  const run = { request: { ...request, timeouts, statistics: gathered } };
  const engine = startEngine({ folder, study, runner, run });
  const following = (async () => {
    for await (const { trialsDone } of engine.progress) runner.release(trialsDone);
  })();
  const state = await engine.ended;
  await following;
  await writeOutputs(state, { out, study, workload, hash, workers, timers: { askSeconds: 0 } });
}

/**
 * A runner that returns the answers of trials in a given order. It has a slot per running trial, because jobs
 * may wait for their turn, and fewer threads than slots.
 */
class OrderedRunner implements JobRunner {
  #ended = 0;
  #working = 0;
  #waiting: (() => void)[] = [];

  constructor(
    private readonly pool: ThreadPool,
    readonly slots: number,
    private readonly order: readonly number[],
  ) {}

  /** Called when `ended` trials have ended. */
  release(ended: number): void {
    this.#ended = ended;
    this.#wake();
  }

  async run(job: Job, signal: AbortSignal): Promise<JobReport> {
    while (this.#working === this.pool.slots) await this.#change();
    this.#working++;
    const report = await this.pool.run(job, signal).finally(() => {
      this.#working--;
      this.#wake();
    });
    if (job.type !== "trial") return report;
    const place = this.order.indexOf(job.trial);
    while (this.#ended < place) await this.#change();
    return report;
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const look of waiting) look();
  }
}
