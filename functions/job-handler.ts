import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type * as z from "zod";
import type { Clock } from "../shared/queues/clock.js";
import { DEFAULT_MAX_MESSAGE_BYTES, MessageTooLargeError, type Queue } from "../shared/queues/queue.js";
import { failureReport } from "../shared/run/protocol/failure-report.js";
import type { Job, JobReport } from "../shared/run/protocol/messages.js";
import { DamagedRecordError } from "../shared/run/store/damaged-record.js";
import { workerHost } from "../shared/runtime/worker-host.js";
import type { BilledTime } from "./billed-time.js";
import { buryMessage, readMessage, UnreadableMessageError } from "./incoming-message.js";
import { describeError, type Log } from "./log.js";
import { holdJob } from "./message-lease.js";
import { METRIC } from "./metric-names.js";
import type { FleetMetrics } from "./metrics.js";
import { answerBatch } from "./partial-batch.js";
import { comeAgainSoon } from "./redelivery.js";
import type { WarmUp } from "./warm-up.js";

/** Kept for handing work back before Lambda ends the invocation. */
const HAND_BACK_MILLISECONDS = 15_000;
const MAX_REASON = 2_000;
/** A job that is not done in time by so many workers never will be: each begins anew, and has no more time. */
const MOST_IN_TIME = 3;
/**
 * By then so many workers have ended over a job, or something kept them from it for ten minutes, that the queue would
 * soon bury it unanswered, for the coordinator to send it again and again.
 */
const MOST_UNANSWERED = 7;
/** What a report's bill takes of its message at most. */
const BILL_BYTES = 256;

export interface JobHandlerOptions {
  /** The queue that the function takes its jobs from. */
  readonly jobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly log: Log;
  readonly metrics: FleetMetrics;
  readonly now: () => number;
  /** Lets time pass; that of this machine when left out. */
  readonly sleep?: Clock["sleep"];
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

type InvocationContext = Pick<Context, "getRemainingTimeInMillis">;
export type JobHandler = (event: SQSEvent, context: InvocationContext) => Promise<SQSBatchResponse>;

/** A job as it was handed out. */
export interface Delivery<J extends Job | WarmUp> {
  readonly job: J;
  readonly record: SQSRecord;
  readonly context: InvocationContext;
  /** When the invocation began with it. */
  readonly started: number;
}

/**
 * A worker as a function behind a queue of jobs; the protocol is told in docs/run.md.
 *
 * @param carryOut returns whether the message is done with; if not, the queue hands it out again
 */
export function createJobHandler<J extends Job | WarmUp>(
  schema: z.ZodType<J>,
  carryOut: (delivery: Delivery<J>) => Promise<boolean>,
  options: Pick<JobHandlerOptions, "jobs" | "deadLetters" | "log" | "metrics" | "now" | "billedTime">,
): JobHandler {
  const { jobs, deadLetters, log, metrics, now, billedTime } = options;
  const carryOutRecord = async (record: SQSRecord, context: InvocationContext): Promise<boolean> => {
    const started = now();
    try {
      const job = readMessage(schema, record);
      if (job.deadline < started) {
        log.info("job is overdue", describeJob(job));
        return true;
      }
      return await carryOut({ job, record, context, started });
    } catch (error) {
      if (error instanceof UnreadableMessageError || error instanceof DamagedRecordError) {
        await buryMessage(deadLetters, log, record, error.message);
        metrics.add(METRIC.messagesRefused, 1);
        return true;
      }
      log.error("job not carried out", {
        messageId: record.messageId,
        reason: describeError(error),
        error,
      });
      await comeAgainSoon(jobs, record);
      return false;
    }
  };
  const handle: JobHandler = async (event, context) => {
    const response = await answerBatch(event, (record) => carryOutRecord(record, context));
    metrics.publish();
    return response;
  };
  if (billedTime === undefined) return handle;
  return (event, context) => billedTime.during(() => handle(event, context));
}

/** Carries out a job that gives the same whoever does it, and that does no harm when it is done twice. */
export async function carryOutUnclaimed(
  delivery: Delivery<Job>,
  options: JobHandlerOptions,
): Promise<boolean> {
  const report = await workOn(delivery, options, async () => true);
  if (report === undefined) return false;
  await sendReport(report, delivery.record, options);
  return true;
}

/**
 * Holds the job while a worker is at it.
 *
 * @param extend extends the claim on the job; whether it is still this worker's
 * @returns the report; `undefined` when the job was handed back or lost to another worker
 */
export async function workOn(
  { job, record, context }: Delivery<Job>,
  options: JobHandlerOptions,
  extend: (until: number) => Promise<boolean>,
): Promise<JobReport | undefined> {
  const { jobs, workers, log, now, sleep, leaseMilliseconds } = options;
  const deliveries = Number(record.attributes.ApproximateReceiveCount);
  if (deliveries > MOST_UNANSWERED) return charge(failed(job, unanswered(deliveries - 1), now()), options);
  const atMostMilliseconds = context.getRemainingTimeInMillis() - HAND_BACK_MILLISECONDS;
  const hold = holdJob({
    jobs,
    receipt: record.receiptHandle,
    leaseMilliseconds,
    atMostMilliseconds,
    now,
    sleep,
    extend,
  });
  try {
    const answered = await Promise.race([answer(job, options, hold.signal), hold.ended]);
    if (answered !== "handed back" && answered !== "lost")
      return charge(withinMessage(job, answered), options);
    log.warn(`job ${answered}`, describeJob(job));
    // The thread cannot be interrupted while ONNX Runtime works.
    await workers.close();
    if (answered === "lost") return undefined;
    if (deliveries >= MOST_IN_TIME)
      return charge(failed(job, tooLong(job, atMostMilliseconds), now()), options);
    await hold.release();
    // First the claim, or else whoever is handed the message finds it taken.
    await extend(now());
    await jobs.changeVisibility(record.receiptHandle, 0);
    return undefined;
  } finally {
    await hold.release();
  }
}

function charge(report: JobReport, { billedTime }: JobHandlerOptions): JobReport {
  const billed = billedTime?.charge();
  return billed === undefined ? report : { ...report, billed };
}

/** The report, or where it is larger than a message may be, that it is. */
function withinMessage(job: Job, report: JobReport): JobReport {
  const bytes = Buffer.byteLength(JSON.stringify(report)) + BILL_BYTES;
  if (bytes <= DEFAULT_MAX_MESSAGE_BYTES) return report;
  return failed(job, new MessageTooLargeError(bytes, DEFAULT_MAX_MESSAGE_BYTES), report.at);
}

const failed = (job: Job, error: Error, at: number): JobReport =>
  failureReport(job, error, { worker: workerHost(), at });

function unanswered(workers: number): Error {
  return new Error(
    `${workers} workers took it and none answered; if they ran out of memory, which their log says, give them more`,
  );
}

function tooLong({ type }: Job, milliseconds: number): Error {
  const remedy = {
    trial: "spread the evaluation over more shards",
    statistics: "spread the calibration over more shards",
    finish: "validate on fewer samples",
  }[type];
  const seconds = Math.round(milliseconds / 1_000);
  return new Error(
    `no worker did it within the ${seconds} s of an invocation; ${remedy}, or give the workers more memory`,
  );
}

async function answer(
  job: Job,
  { workers, now }: JobHandlerOptions,
  signal: AbortSignal,
): Promise<JobReport> {
  const report = await workers.run(job, signal);
  if (report === undefined) throw new UnreadableMessageError(`nobody has asked for run ${job.runId}`);
  return { ...report, at: now() };
}

export async function sendReport(
  report: JobReport,
  { messageId }: SQSRecord,
  { events, log, metrics }: Pick<JobHandlerOptions, "events" | "log" | "metrics">,
): Promise<void> {
  const { runId, outcome } = report;
  await events.send([{ body: JSON.stringify(report), group: runId, deduplication: messageId }]);
  const reason = outcome.state === "failed" ? { reason: outcome.reason.slice(0, MAX_REASON) } : {};
  metrics.add(METRIC.jobsAnswered, 1);
  if (outcome.state === "failed") metrics.add(METRIC.jobsFailed, 1);
  log.info("job answered", { type: report.type, runId, state: outcome.state, ...reason });
}

export function describeJob(job: Job | WarmUp): Record<string, unknown> {
  const { type, runId } = job;
  switch (job.type) {
    case "trial":
      return { type, runId, attempt: job.attempt, trial: job.trial };
    case "statistics":
    case "finish":
      return { type, runId, attempt: job.attempt };
    case "warm-up":
      return { type, ...(runId === undefined ? {} : { runId }) };
  }
}
