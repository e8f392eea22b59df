import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { Evaluator } from "../../../../shared/evaluation/jobs/evaluator.js";
import { runStatisticsJob } from "../../../../shared/evaluation/jobs/gather-statistics.js";
import { openRace, RowsInMemory } from "../../../../shared/evaluation/jobs/trial-early-stopping.js";
import type { Workload } from "../../../../shared/evaluation/workload/workload.js";
import type { MeasuredOutcome } from "../../../../shared/run/protocol/measured-outcome.js";
import {
  type FinishJob,
  type Job,
  type JobReport,
  MESSAGE_VERSION,
  type TrialJob,
} from "../../../../shared/run/protocol/messages.js";
import { packRows, unpackRows } from "../../../../shared/run/protocol/rows.js";
import { instructionSetOf } from "../../../../shared/runtime/processor-class.js";
import { processorClass } from "../../../../shared/runtime/processor-probe.js";
import { configurationKey } from "../../../../shared/search/space/configuration-key.js";
import type { ObjectStore } from "../../../../shared/storage/object-store.js";
import type { JobRunner } from "../../../local/job-runner.js";

interface RecordLine {
  readonly configuration: string;
  readonly outcome: MeasuredOutcome;
}

/**
 * Runs a model's trials in this process and keeps their scores per sample: a configuration that several runs
 * propose is scored once, and early stopping is replayed on the kept scores, with the same decision. A file
 * of scores is valid for one version of the quantizer only.
 */
export class RecordedEvaluations implements JobRunner {
  readonly slots = 1;
  readonly #evaluator: Evaluator;
  readonly #outcomes = new Map<string, MeasuredOutcome>();

  /** @param file JSON lines file from which scores are read and to which they are appended; optional */
  constructor(
    private readonly workload: Workload,
    private readonly stores: { readonly records: ObjectStore; readonly statistics: ObjectStore },
    private readonly file?: string,
  ) {
    this.#evaluator = new Evaluator({
      workload,
      store: stores.records,
      statistics: { store: stores.statistics, shards: 1 },
    });
    if (file === undefined || !existsSync(file)) return;
    for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
      const { configuration, outcome } = JSON.parse(line) as RecordLine;
      this.#outcomes.set(configuration, outcome);
    }
  }

  async run(job: Job, signal: AbortSignal): Promise<JobReport> {
    const report = { version: MESSAGE_VERSION, runId: job.runId, attempt: job.attempt } as const;
    switch (job.type) {
      case "statistics": {
        const { workload, stores } = this;
        return runStatisticsJob(job, { workload, statistics: stores.statistics, now: Date.now }, signal);
      }
      case "trial": {
        const { trial, shard } = job;
        const outcome = await this.#score(job, signal);
        const isa = instructionSetOf(await processorClass());
        const worker = "bench";
        return { ...report, type: "TrialReported", at: Date.now(), trial, shard, worker, isa, outcome };
      }
      case "finish":
        return {
          ...report,
          type: "FinishReported",
          at: Date.now(),
          isa: instructionSetOf(await processorClass()),
          outcome: unwritten(job),
        };
    }
  }

  /** The scores per sample of a scored configuration. */
  rowsOf(configuration: TrialJob["configuration"]): Float32Array {
    const outcome = this.#outcomes.get(keyOf(configuration));
    if (outcome?.state !== "complete") throw new Error("the configuration was not scored to its end");
    return unpackRows(outcome.rows);
  }

  /** Does nothing, as runs share the evaluator; `release` ends it. */
  async close(): Promise<void> {}

  release(): Promise<void> {
    return this.#evaluator.release();
  }

  async #score(job: TrialJob, signal: AbortSignal): Promise<MeasuredOutcome> {
    const key = keyOf(job.configuration);
    const kept = this.#outcomes.get(key);
    const replayed = kept && (await this.#race(job, kept));
    if (replayed !== undefined) return replayed;
    const outcome = await this.#evaluator.scoreTrial(job, signal);
    this.#outcomes.set(key, outcome);
    if (this.file !== undefined) {
      const line: RecordLine = { configuration: key, outcome };
      appendFileSync(this.file, `${JSON.stringify(line)}\n`);
    }
    return outcome;
  }

  /** The outcome of early stopping on kept scores; `undefined` where they end before a decision. */
  async #race(job: TrialJob, kept: MeasuredOutcome): Promise<MeasuredOutcome | undefined> {
    const { workload, stores } = this;
    const { rowWidth } = workload.metric;
    const rows = unpackRows(kept.rows);
    const race =
      job.race && (await openRace(job.race, new RowsInMemory(stores.records), workload, kept.bytes));
    for (let samples = 0; race !== undefined && samples < kept.samples; ) {
      samples = Math.min(samples + workload.batchSize, kept.samples);
      const seen = rows.subarray(0, samples * rowWidth);
      if (race.isDecided(seen, samples)) {
        const reachable = race.reachable(seen);
        return { ...kept, state: "pruned", rows: packRows(seen, rowWidth), samples, reachable };
      }
    }
    return kept.state === "complete" ? kept : undefined;
  }
}

function keyOf(configuration: TrialJob["configuration"]): string {
  return configuration === null ? "float" : configurationKey(configuration);
}

/** The report of a run's finish in a bench: no model is validated or written. */
function unwritten({ candidates }: FinishJob) {
  const best = candidates[0]?.trial ?? null;
  return { state: "complete" as const, best, validation: [], objects: [] };
}
