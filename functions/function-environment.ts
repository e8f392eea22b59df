import { setTimeout as sleep } from "node:timers/promises";
import { Logger } from "@aws-lambda-powertools/logger";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Context } from "aws-lambda";
import * as z from "zod";
import type { Queue } from "../shared/queues/queue.js";
import { SqsQueue } from "../shared/queues/sqs-queue.js";
import type { ObjectStore } from "../shared/storage/object-store.js";
import { RetryingObjectStore, type RetryPolicy } from "../shared/storage/retrying-store.js";
import { S3ObjectStore } from "../shared/storage/s3-store.js";
import { BilledTime } from "./billed-time.js";
import { CLIENT_OPTIONS } from "./client-options.js";
import type { Log } from "./log.js";
import { type FleetMetrics, LoggedMetrics } from "./metrics.js";

/** Environment variables that the stack sets for its functions. */
const environmentSchema = z.object({
  QUANTFLEET_BUCKET: z.string().min(3).max(63),
  QUANTFLEET_JOBS_URL: z.url(),
  QUANTFLEET_STATISTICS_URL: z.url(),
  QUANTFLEET_EVENTS_URL: z.url(),
  /** URL of the dead-letter queue for messages that the function cannot read. */
  QUANTFLEET_DEAD_LETTERS_URL: z.url(),
  /** Name of the EventBridge schedule group of the Tick's schedule and of schedules that start runs. */
  QUANTFLEET_SCHEDULE_GROUP: z.string().min(1).max(64),
  /** Name of this fleet: the dimension that distinguishes its CloudWatch metrics from another fleet's. */
  QUANTFLEET_FLEET: z.string().min(1).max(250),
  /** Seconds without a lease extension after which a worker is taken for dead. */
  QUANTFLEET_LEASE_SECONDS: z.coerce.number().min(1).max(900).default(60),
  /** Memory of the function in megabytes, set by Lambda. */
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: z.coerce.number().int().min(1).optional(),
});

/**
 * Retries of object-store calls on top of those of the AWS client, which repeats unanswered calls but neither
 * a write that collided with another (409) nor a download that broke off.
 */
const RETRIES: RetryPolicy = {
  attempts: 4,
  pauseMilliseconds: 50,
  sleep: (milliseconds) => sleep(milliseconds),
};

/** Store, queues, log and metrics of a function, from its environment variables. */
export interface FunctionEnvironment {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  readonly statisticsJobs: Queue;
  readonly events: Queue;
  readonly deadLetters: Queue;
  readonly scheduleGroup: string;
  readonly log: Log;
  /** Wraps a handler so that each log line names its invocation, as Lambda's own lines do. */
  readonly logged: <Event, Invocation, Answer>(
    handler: (event: Event, context: Invocation) => Promise<Answer>,
  ) => (event: Event, context: Invocation & Pick<Context, "awsRequestId">) => Promise<Answer>;
  readonly metrics: FleetMetrics;
  readonly leaseMilliseconds: number;
  /** Time billed to this environment and not yet charged to a run; `undefined` outside of Lambda. */
  readonly billedTime: BilledTime | undefined;
}

export function openFunctionEnvironment(
  service: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): FunctionEnvironment {
  const parsed = environmentSchema.parse(environment);
  // The region's endpoint serves every queue of the region, so queue URLs need no DNS lookup of their own.
  const client = new SQSClient({ ...CLIENT_OPTIONS, useQueueUrlAsEndpoint: false });
  const queue = (url: string): Queue => new SqsQueue({ client, url });
  const log = new Logger({ serviceName: service });
  return {
    store: new RetryingObjectStore(
      new S3ObjectStore({ client: new S3Client(CLIENT_OPTIONS), bucket: parsed.QUANTFLEET_BUCKET }),
      RETRIES,
    ),
    jobs: queue(parsed.QUANTFLEET_JOBS_URL),
    statisticsJobs: queue(parsed.QUANTFLEET_STATISTICS_URL),
    events: queue(parsed.QUANTFLEET_EVENTS_URL),
    deadLetters: queue(parsed.QUANTFLEET_DEAD_LETTERS_URL),
    scheduleGroup: parsed.QUANTFLEET_SCHEDULE_GROUP,
    log,
    logged: (handler) => (event, context) => {
      log.appendKeys({ function_request_id: context.awsRequestId });
      return handler(event, context);
    },
    metrics: new LoggedMetrics(service, parsed.QUANTFLEET_FLEET),
    leaseMilliseconds: parsed.QUANTFLEET_LEASE_SECONDS * 1_000,
    billedTime: measureBilledTime(parsed.AWS_LAMBDA_FUNCTION_MEMORY_SIZE),
  };
}

function measureBilledTime(megabytes: number | undefined): BilledTime | undefined {
  if (megabytes === undefined) return undefined;
  const architecture = process.arch === "arm64" ? "arm64" : "x86_64";
  return new BilledTime({ megabytes, architecture, now: Date.now, initMilliseconds: performance.now() });
}
