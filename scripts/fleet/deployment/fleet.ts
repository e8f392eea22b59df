import type { SchedulerClient } from "@aws-sdk/client-scheduler";
import type { Queue } from "../../../shared/queues/queue.js";
import type { Billed } from "../../../shared/run/protocol/messages.js";
import type { S3ObjectStore } from "../../../shared/storage/s3-store.js";

/** Size of a fleet's evaluators, the deployed functions that score trials. */
export interface EvaluatorSize extends Pick<Billed, "megabytes" | "architecture"> {
  /**
   * Number of evaluators that run concurrently, which determines the number of parallel trials unless the run sets
   * it.
   */
  readonly concurrency?: number;
  /** AWS region of the functions, which determines prices. */
  readonly region?: string;
}

/** What is known about a deployed stack; where it is unknown, the construct's defaults are assumed. */
export interface Deployed {
  /**
   * The stack's evaluators (functions that score trials): for cost estimates, and to decide whether trials of
   * another processor are comparable.
   */
  readonly evaluator?: EvaluatorSize;
  /** The stack's output `MetricModules`, which lists the metric modules that it was deployed with. */
  readonly metricModules?: string;
}

/** A deployed stack: its bucket, and the events queue that its coordinator reads. */
export interface Fleet extends Deployed {
  readonly store: S3ObjectStore;
  readonly events: Queue;
}

/** The part of a fleet that preparing a run needs: all but the events queue. */
export type UploadTarget = Omit<Fleet, "events">;

/** The schedules of a fleet, and the ARNs of the queue and role that they use. */
export interface ScheduleTarget extends UploadTarget {
  readonly client: SchedulerClient;
  readonly group: string;
  readonly eventsArn: string;
  readonly roleArn: string;
  readonly deadLettersArn: string;
}
