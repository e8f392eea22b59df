import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type * as z from "zod";
import { safeguard } from "../shared/basics/safeguard.js";
import type { Clock } from "../shared/queues/clock.js";
import { DEFAULT_MAX_MESSAGE_BYTES, MessageTooLargeError, type Queue } from "../shared/queues/queue.js";
import { MAX_REASON } from "../shared/run/protocol/failed-outcome.js";
import { failureReport } from "../shared/run/protocol/failure-report.js";
import type { Job, JobReport } from "../shared/run/protocol/messages.js";
import { DamagedRecordError } from "../shared/run/store/damaged-record.js";
import { workerHost } from "../shared/runtime/worker-host.js";
import type { BilledTime } from "./billed-time.js";
import { readMessage, sendToDeadLetters, UnreadableMessageError } from "./incoming-message.js";
import { describeError, type Log } from "./log.js";
import { openMessageLease } from "./message-lease.js";
import { METRIC } from "./metric-names.js";
import type { FleetMetrics } from "./metrics.js";
import { answerBatch } from "./partial-batch.js";
import { redeliverWithBackoff } from "./redelivery.js";
import type { WarmUp } from "./warm-up.js";

/** Time at the end of an invocation that is reserved for returning an unfinished job to its queue. */
const HAND_BACK_MILLISECONDS = 15_000;
/**
 * Number of workers that ran out of time after which a job is reported as failed: each worker starts from the
 * beginning and has the same time.
 */
const MOST_IN_TIME = 3;
/**
 * Number of deliveries of a job without an answer (workers died, or errors persisted for ten minutes) after
 * which the function reports a failure itself. Otherwise the queue would soon move the job to the dead-letter
 * queue, and the coordinator would resend it until its attempts are used up.
 */
const MOST_UNANSWERED = 7;
/** Upper bound in bytes of what the billed time adds to a report's message. */
const BILL_BYTES = 256;

export interface JobHandlerOptions {
  /** The queue that the function receives its jobs from. */
  readonly jobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly log: Log;
  readonly metrics: FleetMetrics;
  readonly now: () => number;
  /** Waits for some milliseconds; the system clock's `sleep` when absent. */
  readonly sleep?: Clock["sleep"];
  readonly workers: {
    /**
     * Carries out a job in the worker thread and returns its report; `undefined` if its run was never
     * requested.
     */
    run(job: Job, signal: AbortSignal): Promise<JobReport | undefined>;
    close(): Promise<void>;
  };
  /** Milliseconds without a lease extension after which a worker is taken for dead. */
  readonly leaseMilliseconds: number;
  /** Time billed to this environment and not yet charged to a run; absent where work is not billed. */
  readonly billedTime?: BilledTime | undefined;
}

type InvocationContext = Pick<Context, "getRemainingTimeInMillis">;
export type JobHandler = (event: SQSEvent, context: InvocationContext) => Promise<SQSBatchResponse>;

/** A job message that the queue has delivered to this function. */
export interface Delivery<J extends Job | WarmUp> {
  readonly job: J;
  readonly record: SQSRecord;
  readonly context: InvocationContext;
  /** When this function started to process the message, in milliseconds since the epoch. */
  readonly started: number;
}

/**
 * Makes the handler of a Lambda function that carries out jobs from a queue; docs/design/run-protocol.md,
 * "What a crash does" describes the protocol.
 *
 * @param carryOut returns whether the message can be acknowledged; if not, the queue redelivers it
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
      if (job.deadline < started && safeguard("job-deadlines")) {
        log.info("job is overdue", describeJob(job));
        return true;
      }
      return await carryOut({ job, record, context, started });
    } catch (error) {
      if (error instanceof UnreadableMessageError || error instanceof DamagedRecordError) {
        if (safeguard("unreadable-jobs-are-kept"))
          await sendToDeadLetters(deadLetters, log, record, error.message);
        metrics.add(METRIC.messagesRefused, 1);
        return true;
      }
      log.error("job not carried out", {
        messageId: record.messageId,
        reason: describeError(error),
        error,
      });
      await redeliverWithBackoff(jobs, record);
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

/**
 * Carries out a job without a claim (the stored object that reserves a job for one worker). It suits
 * statistics jobs: they are deterministic, so carrying one out twice does no harm.
 */
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
 * Runs a job in the worker thread and extends its lease (the time for which this worker holds it) meanwhile.
 *
 * @param extend extends the claim on the job; returns whether this worker still holds it
 * @returns the report; `undefined` if the job was returned to the queue or lost to another worker
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
  const lease = openMessageLease({
    jobs,
    receipt: record.receiptHandle,
    leaseMilliseconds,
    atMostMilliseconds,
    now,
    sleep,
    extend,
  });
  try {
    const answered = await Promise.race([answer(job, options, lease.signal), lease.ended]);
    if (answered !== "handed back" && answered !== "lost")
      return charge(withinMessage(job, answered), options);
    log.warn(`job ${answered}`, describeJob(job));
    // ONNX Runtime blocks the thread, so only closing it stops the work.
    await workers.close();
    if (answered === "lost") return undefined;
    if (deliveries >= MOST_IN_TIME)
      return charge(failed(job, tooLong(job, atMostMilliseconds), now()), options);
    await lease.release();
    // The claim ends before the message becomes visible: otherwise the next worker that receives the message
    // finds the job taken.
    await extend(now());
    await jobs.changeVisibility(record.receiptHandle, 0);
    return undefined;
  } finally {
    await lease.release();
  }
}

function charge(report: JobReport, { billedTime }: JobHandlerOptions): JobReport {
  const billed = billedTime?.charge();
  return billed === undefined ? report : { ...report, billed };
}

/** Returns the report, or a failure if the report is larger than a queue message may be. */
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
