import * as z from "zod";
import { safeguard } from "../../shared/basics/safeguard.js";
import { finishJobSchema, statisticsJobSchema, trialJobSchema } from "../../shared/run/protocol/messages.js";
import { storeScores } from "../../shared/run/records/run-records.js";
import { type ClaimedJob, type ClaimedReport, claimJob } from "../../shared/run/store/claim.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { UnreadableMessageError } from "../incoming-message.js";
import {
  carryOutUnclaimed,
  createJobHandler,
  type Delivery,
  describeJob,
  type JobHandler,
  type JobHandlerOptions,
  sendReport,
  workOn,
} from "../job-handler.js";
import { describeError } from "../log.js";
import { type WarmUp, warmUpSchema } from "../warm-up.js";

const evaluatorJobSchema = z.discriminatedUnion("type", [
  trialJobSchema,
  statisticsJobSchema,
  finishJobSchema,
  warmUpSchema,
]);

export interface EvaluatorHandlerOptions extends JobHandlerOptions {
  readonly store: ObjectStore;
  readonly workers: JobHandlerOptions["workers"] & {
    /** Waits until the worker thread has loaded its module and ONNX Runtime. */
    started(): Promise<void>;
    /**
     * Fetches and opens a run's model and data before its first job.
     *
     * @returns `false` if the run was never requested
     */
    prepare(runId: string): Promise<boolean>;
  };
}

/**
 * The handler of the evaluator function, which receives trial and finish jobs, and statistics jobs of little
 * work, from their queue.
 */
export function createEvaluatorHandler(options: EvaluatorHandlerOptions): JobHandler {
  return createJobHandler(
    evaluatorJobSchema,
    (delivery) => {
      const { job } = delivery;
      switch (job.type) {
        case "trial":
        case "finish":
          return carryOutClaimed({ ...delivery, job }, options);
        case "statistics":
          return carryOutUnclaimed({ ...delivery, job }, options);
        case "warm-up":
          return prepareRun(job, options);
      }
    },
    options,
  );
}

async function carryOutClaimed(
  delivery: Delivery<ClaimedJob>,
  options: EvaluatorHandlerOptions,
): Promise<boolean> {
  const { job, record, started } = delivery;
  const { store, jobs, log, leaseMilliseconds } = options;
  const claim = await claimJob(store, job, started, started + leaseMilliseconds);
  switch (claim.state) {
    case "taken":
      log.info("job is with another worker", { ...describeJob(job), until: claim.until });
      await jobs.changeVisibility(record.receiptHandle, claim.until - started);
      return false;
    case "answered":
      await storeRows(store, claim.report);
      await sendReport(claim.report, record, options);
      return true;
    case "granted": {
      const { lease } = claim;
      const report = await workOn(delivery, options, (until) => lease.extend(until));
      if (report === undefined || report.type === "StatisticsReported") return false;
      // Rows (per-sample scores) are stored under the hash of their content, so writing them after another
      // worker has taken over the job does no harm.
      const [isOurs] = await Promise.all([lease.answer(report), storeRows(store, report)]);
      if (!isOurs && safeguard("workers-report-with-claim-only")) return false;
      await sendReport(report, record, options);
      return true;
    }
  }
}

async function storeRows(store: ObjectStore, report: ClaimedReport): Promise<void> {
  if (report.type === "TrialReported") await storeScores(store, report);
}

/**
 * Starts the worker thread and, if a run is named, opens its model and data. Errors are only logged: the
 * run's first trial reports them.
 */
async function prepareRun(job: WarmUp, { workers, log }: EvaluatorHandlerOptions): Promise<boolean> {
  const { runId } = job;
  try {
    // The start of the thread is awaited, because Lambda freezes the environment between invocations.
    if (runId === undefined) await workers.started();
    if (runId === undefined || (await workers.prepare(runId))) return true;
  } catch (error) {
    log.warn("not ready for a run", { ...describeJob(job), reason: describeError(error) });
    return true;
  }
  throw new UnreadableMessageError(`nobody has asked for run ${runId}`);
}
