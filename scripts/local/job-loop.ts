import type { Clock } from "../../shared/queues/clock.js";
import type { Queue, ReceivedMessage } from "../../shared/queues/queue.js";
import { failureReport } from "../../shared/run/failure-report.js";
import { type Job, type JobReport, jobSchema } from "../../shared/run/messages.js";
import { storeScores } from "../../shared/run/run-records.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { JobRunner } from "./job-runner.js";

const WAIT_MILLISECONDS = 60_000;

export interface JobLoopOptions {
  readonly jobs: Queue;
  readonly events: Queue;
  readonly store: ObjectStore;
  readonly runner: JobRunner;
  readonly clock: Clock;
  /** Ends the loop. */
  readonly stop: AbortSignal;
  /** Statistics and trials are not wanted any more; the finish job still is. */
  readonly cancel: AbortSignal;
}

/** Takes jobs one by one, has them carried out and reports; as many of these run as the runner has slots. */
export async function runJobLoop(options: JobLoopOptions): Promise<void> {
  const { jobs, stop } = options;
  const stopOrCancel = AbortSignal.any([stop, options.cancel]);
  while (!stop.aborted) {
    const [message] = await jobs.receive({ max: 1, waitMilliseconds: WAIT_MILLISECONDS, signal: stop });
    if (message === undefined) continue;
    const job = jobSchema.parse(JSON.parse(message.body));
    await carryOut(options, message, job, job.type === "finish" ? stop : stopOrCancel);
  }
}

async function carryOut(
  { jobs, events, store, runner, clock }: JobLoopOptions,
  message: ReceivedMessage,
  job: Job,
  unwanted: AbortSignal,
): Promise<void> {
  const report = unwanted.aborted ? undefined : await answer(runner, job, unwanted, clock);
  // Without a report the job stays with the run, which sends it anew when it is resumed.
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
    return failureReport(job, error, clock.now());
  }
}
