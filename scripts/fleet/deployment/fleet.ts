import type { SchedulerClient } from "@aws-sdk/client-scheduler";
import type { Queue } from "../../../shared/queues/queue.js";
import type { Billed } from "../../../shared/run/protocol/messages.js";
import type { S3ObjectStore } from "../../../shared/storage/s3-store.js";

/** The functions that score, as they are deployed. */
export interface EvaluatorSize extends Pick<Billed, "megabytes" | "architecture"> {
  /** How many work at once, which decides how many trials run side by side where a run does not say. */
  readonly concurrency?: number;
  /** Where they are, which decides what they cost. */
  readonly region?: string;
}

/** What is known of a deployed stack; without it, the construct's defaults are taken for true. */
export interface Deployed {
  /** Its evaluators, for estimates and for trials of other processors. */
  readonly evaluator?: EvaluatorSize;
  /** Its output `MetricModules`. */
  readonly metricModules?: string;
}

/** A stack as programs reach it: its bucket and the queue that its coordinator hears. */
export interface Fleet extends Deployed {
  readonly store: S3ObjectStore;
  readonly events: Queue;
}

/** A fleet as far as it is needed to prepare a run. */
export type UploadTarget = Omit<Fleet, "events">;

/** Where a fleet keeps its schedules, and what they send to. */
export interface ScheduleTarget extends UploadTarget {
  readonly client: SchedulerClient;
  readonly group: string;
  readonly eventsArn: string;
  readonly roleArn: string;
  readonly deadLettersArn: string;
}
