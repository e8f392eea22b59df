import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { Queue } from "../../shared/queues/queue.js";
import { claimJob } from "../../shared/run/claim.js";
import { type Job, type JobReport, jobSchema } from "../../shared/run/messages.js";
import { storeScores } from "../../shared/run/run-records.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { BilledTime } from "../billed-time.js";
import { buryMessage, readMessage, UnreadableMessageError } from "../incoming-message.js";
import { describeError, type Log } from "../log.js";
import { holdJob } from "./hold.js";

/** Kept for handing work back before Lambda ends the invocation. */
const HAND_BACK_MILLISECONDS = 15_000;
const MAX_REASON = 2_000;

export interface EvaluatorHandlerOptions {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly log: Log;
  readonly now: () => number;
  readonly workers: {
    /** `undefined` where nobody has asked for the job's run. */
    run(job: Job, signal: AbortSignal): Promise<JobReport | undefined>;
    close(): Promise<void>;
  };
  /** How long a worker that says nothing is taken for alive. */
  readonly leaseMilliseconds: number;
  /** Where work is billed. */
  readonly billedTime?: BilledTime | undefined;
}

export type EvaluatorHandler = (
  event: SQSEvent,
  context: Pick<Context, "getRemainingTimeInMillis">,
) => Promise<SQSBatchResponse>;

/** The evaluator as a function behind the jobs queue; the protocol is told in docs/run.md. */
export function createEvaluatorHandler(options: EvaluatorHandlerOptions): EvaluatorHandler {
  const carryOutAll: EvaluatorHandler = async ({ Records }, context) => {
    const failed: SQSRecord[] = [];
    for (const record of Records) {
      const isDone = await carryOut(record, context, options);
      if (!isDone) failed.push(record);
    }
    return { batchItemFailures: failed.map(({ messageId }) => ({ itemIdentifier: messageId })) };
  };
  const { billedTime } = options;
  if (billedTime === undefined) return carryOutAll;
  return (event, context) => billedTime.during(() => carryOutAll(event, context));
}

/** @returns whether the message is done with; if not, the queue hands it out again */
async function carryOut(
  record: SQSRecord,
  context: Pick<Context, "getRemainingTimeInMillis">,
  options: EvaluatorHandlerOptions,
): Promise<boolean> {
  const { deadLetters, log, now } = options;
  const started = now();
  try {
    const job = readMessage(jobSchema, record);
    if (job.deadline < started) {
      log.info("job is overdue and has been sent again", describeJob(job));
      return true;
    }
    return job.type === "trial"
      ? await carryOutClaimed(job, record, context, options, started)
      : await carryOutUnclaimed(job, record, context, options);
  } catch (error) {
    if (error instanceof UnreadableMessageError) {
      await buryMessage(deadLetters, log, record, error.message);
      return true;
    }
    log.error("job not carried out", { messageId: record.messageId, reason: describeError(error) });
    return false;
  }
}

/** Statistics and the finish give the same whoever does them, and twice does no harm. */
async function carryOutUnclaimed(
  job: Exclude<Job, { type: "trial" }>,
  record: SQSRecord,
  context: Pick<Context, "getRemainingTimeInMillis">,
  options: EvaluatorHandlerOptions,
): Promise<boolean> {
  const report = await work(job, record, context, options, async () => true);
  if (report === undefined) return false;
  await sendReport(report, record, options);
  return true;
}

async function carryOutClaimed(
  job: Extract<Job, { type: "trial" }>,
  record: SQSRecord,
  context: Pick<Context, "getRemainingTimeInMillis">,
  options: EvaluatorHandlerOptions,
  started: number,
): Promise<boolean> {
  const { store, jobs, log, now, leaseMilliseconds } = options;
  const claim = await claimJob(store, job, started, started + leaseMilliseconds);
  switch (claim.state) {
    case "taken":
      log.info("job is with another worker", { ...describeJob(job), until: claim.until });
      await jobs.changeVisibility(record.receiptHandle, claim.until - started);
      return false;
    case "answered":
      await storeScores(store, claim.report);
      await sendReport(claim.report, record, options);
      return true;
    case "granted": {
      const { lease } = claim;
      const report = await work(job, record, context, options, (until) => lease.extend(until));
      if (report?.type !== "TrialReported") {
        await lease.extend(now());
        return false;
      }
      if (!(await lease.answer(report))) return false;
      await storeScores(store, report);
      await sendReport(report, record, options);
      return true;
    }
  }
}

/** @returns the report; `undefined` when the job was handed back or lost to another worker */
async function work(
  job: Job,
  record: SQSRecord,
  context: Pick<Context, "getRemainingTimeInMillis">,
  options: EvaluatorHandlerOptions,
  extend: (until: number) => Promise<boolean>,
): Promise<JobReport | undefined> {
  const { jobs, workers, log, now, leaseMilliseconds } = options;
  const hold = holdJob({
    jobs,
    receipt: record.receiptHandle,
    leaseMilliseconds,
    atMostMilliseconds: context.getRemainingTimeInMillis() - HAND_BACK_MILLISECONDS,
    now,
    extend,
  });
  try {
    const report = await Promise.race([answer(job, options, hold.signal), hold.ended]);
    if (report === "handed back" || report === "lost") {
      log.warn(`job ${report}`, describeJob(job));
      // The thread cannot be interrupted while ONNX Runtime works.
      await workers.close();
      if (report === "handed back") await jobs.changeVisibility(record.receiptHandle, 0);
      return undefined;
    }
    const billed = options.billedTime?.charge();
    return billed === undefined ? report : { ...report, billed };
  } finally {
    await hold.release();
  }
}

async function answer(
  job: Job,
  { workers, now }: EvaluatorHandlerOptions,
  signal: AbortSignal,
): Promise<JobReport> {
  const report = await workers.run(job, signal);
  if (report === undefined) throw new UnreadableMessageError(`nobody has asked for run ${job.runId}`);
  return { ...report, at: now() };
}

async function sendReport(
  report: JobReport,
  { messageId }: SQSRecord,
  { events, log }: EvaluatorHandlerOptions,
): Promise<void> {
  const { runId, outcome } = report;
  await events.send([{ body: JSON.stringify(report), group: runId, deduplication: messageId }]);
  const reason = outcome.state === "failed" ? { reason: outcome.reason.slice(0, MAX_REASON) } : {};
  log.info("job answered", { type: report.type, runId, state: outcome.state, ...reason });
}

function describeJob(job: Job): Record<string, unknown> {
  const { type, runId, attempt } = job;
  return { type, runId, attempt, ...(job.type === "trial" ? { trial: job.trial } : {}) };
}
