import { failedOutcome } from "../../run/protocol/failed-outcome.js";
import { type Job, type JobReport, MESSAGE_VERSION } from "../../run/protocol/messages.js";
import { instructionSetOf } from "../../runtime/processor-class.js";
import { processorClass } from "../../runtime/processor-probe.js";
import { workerHost } from "../../runtime/worker-host.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { Workload } from "../workload/workload.js";
import type { Evaluator } from "./evaluator.js";
import { finishRun } from "./finish.js";
import { runStatisticsJob, type StatisticsContext } from "./gather-statistics.js";

export interface JobContext extends StatisticsContext {
  readonly evaluator: Evaluator;
  readonly workload: Workload;
  readonly store: ObjectStore;
  /** This worker's name in the records of the trials that it scores. */
  readonly worker: string;
  /** Entries that the finish writes into the metadata of the final model. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Carries out one job. A failure becomes the report's outcome; only an abort throws. */
export async function runJob(job: Job, context: JobContext, signal?: AbortSignal): Promise<JobReport> {
  const { evaluator, workload, store, worker } = context;
  const { runId, attempt } = job;
  const isa = instructionSetOf(await processorClass());
  const base = () => ({ version: MESSAGE_VERSION, runId, attempt, at: context.now() }) as const;
  const failed = (error: unknown) => {
    signal?.throwIfAborted();
    return failedOutcome(error);
  };
  switch (job.type) {
    case "statistics":
      return runStatisticsJob(job, context, signal);
    case "trial": {
      const outcome = await evaluator.scoreTrial(job, signal).catch(failed);
      const { trial, digest, shard } = job;
      return {
        ...base(),
        type: "TrialReported",
        trial,
        ...(digest === undefined ? {} : { digest }),
        shard,
        worker: `${workerHost()}/${worker}`,
        isa,
        outcome,
      };
    }
    case "finish": {
      const outcome = await finishRun(job, evaluator, workload, store, context.properties).catch(failed);
      return { ...base(), type: "FinishReported", isa, outcome };
    }
  }
}
