import { hostname } from "node:os";
import type { Clock } from "../../shared/queues/clock.js";
import type { Queue, ReceivedMessage } from "../../shared/queues/queue.js";
import { failureReport } from "../../shared/run/protocol/failure-report.js";
import { type Job, type JobReport, jobSchema } from "../../shared/run/protocol/messages.js";
import { storeScores } from "../../shared/run/records/run-records.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { JobRunner } from "./job-runner.js";

const WAIT_MILLISECONDS = 60_000;

export interface JobLoopOptions {
  readonly jobs: Queue;
  readonly events: Queue;
  readonly store: ObjectStore;
  readonly runner: JobRunner;
  readonly clock: Clock;
  /** Ends the loop that runs jobs. */
  readonly stop: AbortSignal;
  /** Cancels jobs that gather statistics or score trials; the finish job (validates and writes the best) still runs. */
  readonly cancel: AbortSignal;
}

/**
 * Receives jobs one by one, runs them and reports; one loop for each job that the runner can run concurrently. A
 * report is written and sent while the next job is running.
 */
export async function runJobLoop(options: JobLoopOptions): Promise<void> {
  const { jobs, stop } = options;
  const stopOrCancel = AbortSignal.any([stop, options.cancel]);
  const undelivered = new AbortController();
  const ended = AbortSignal.any([stop, undelivered.signal]);
  let reporting: Promise<void> = Promise.resolve();
  while (!ended.aborted) {
    const [message] = await jobs.receive({ max: 1, waitMilliseconds: WAIT_MILLISECONDS, signal: ended });
    if (message === undefined) continue;
    const job = jobSchema.parse(JSON.parse(message.body));
    const unwanted = job.type === "finish" ? stop : stopOrCancel;
    // Without a report the job remains unanswered in the run's state, and a resumed run sends it again.
    const report = unwanted.aborted ? undefined : await answer(options.runner, job, unwanted, options.clock);
    // Reports are delivered one after the other, so that they arrive in the order of the slot's jobs.
    await reporting;
    reporting = deliver(options, message, job, report);
    // A report that cannot be sent ends the loop; otherwise the loop would wait for a job that never comes.
    reporting.catch((error: unknown) => undelivered.abort(error));
  }
  await reporting;
}

/**
 * Writes a trial's rows (per-sample scores), then sends its report: as soon as the report is applied, early
 * stopping or another coordinator may read the rows.
 */
async function deliver(
  { jobs, events, store }: JobLoopOptions,
  message: ReceivedMessage,
  job: Job,
  report: JobReport | undefined,
): Promise<void> {
  if (report !== undefined) {
    if (report.type === "TrialReported") await storeScores(store, report);
    await events.send([{ body: JSON.stringify(report), group: job.runId, deduplication: message.id }]);
  }
  await jobs.acknowledge(message.receipt);
}

async function answer(
  runner: JobRunner,
  job: Job,
  unwanted: AbortSignal,
  clock: Clock,
): Promise<JobReport | undefined> {
  try {
    return await runner.run(job, unwanted);
  } catch (error) {
    if (unwanted.aborted) return undefined;
    return failureReport(job, error, { worker: hostname(), at: clock.now() });
  }
}
