import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assembleFunction } from "../../infra/function-assets.js";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { S3ObjectStore } from "../../shared/storage/s3-store.js";
import { EventSource } from "./event-source.js";
import { type S3Server, startS3Server } from "./s3-server.js";
import { queueArn, startSqsServer } from "./sqs-server.js";

/** What the event sources and queues of the stack are set to, in so far as a short test can wait for it. */
const VISIBILITY_SECONDS = "5";
const MAX_DELIVERIES = 10;
const COORDINATOR_TIMEOUT_SECONDS = 60;
const EVALUATOR_TIMEOUT_SECONDS = 900;
const BUCKET = "emulated";

export interface EmulatedFleet {
  readonly s3: S3Server;
  readonly store: S3ObjectStore;
  readonly jobs: SqsQueue;
  readonly events: SqsQueue;
  readonly deadJobs: SqsQueue;
  readonly deadEvents: SqsQueue;
  readonly evaluators: EventSource;
  /** What functions and commands are told. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The stack's functions, as they are packed for Lambda, over emulated SQS and S3. */
export async function startEmulatedFleet(evaluators: number): Promise<EmulatedFleet> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-fleet-"));
  const sqs = await startSqsServer();
  const s3 = await startS3Server();
  const redrive = (name: string) =>
    JSON.stringify({ deadLetterTargetArn: queueArn(name), maxReceiveCount: MAX_DELIVERIES });
  const visible = { VisibilityTimeout: VISIBILITY_SECONDS };
  const fifo = { ...visible, FifoQueue: "true" };
  const urls = {
    deadStatistics: await sqs.createQueue("dead-statistics", visible),
    deadJobs: await sqs.createQueue("dead-jobs", visible),
    deadEvents: await sqs.createQueue("dead-events.fifo", fifo),
    jobs: await sqs.createQueue("trials", { ...visible, RedrivePolicy: redrive("dead-jobs") }),
    statistics: await sqs.createQueue("statistics", {
      ...visible,
      RedrivePolicy: redrive("dead-statistics"),
    }),
    events: await sqs.createQueue("events.fifo", { ...fifo, RedrivePolicy: redrive("dead-events.fifo") }),
  };
  const environment = {
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "emulated",
    AWS_SECRET_ACCESS_KEY: "emulated",
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "2048",
    QUANTFLEET_LEASE_SECONDS: "3",
    QUANTFLEET_BUCKET: BUCKET,
    QUANTFLEET_JOBS_URL: urls.jobs,
    QUANTFLEET_STATISTICS_URL: urls.statistics,
    QUANTFLEET_EVENTS_URL: urls.events,
  };
  const queue = (url: string) => new SqsQueue({ client: sqs.client, url });
  const queues = { jobs: queue(urls.jobs), events: queue(urls.events) };
  const architecture = process.arch === "arm64" ? "arm64" : "x64";
  for (const name of ["coordinator", "collector", "evaluator"] as const)
    assembleFunction(name, architecture, join(folder, name));
  const coordinator = new EventSource({
    queue: queues.events,
    bundle: join(folder, "coordinator", "index.js"),
    environment: { ...environment, QUANTFLEET_DEAD_LETTERS_URL: urls.deadEvents },
    folder,
    batchSize: 10,
    concurrency: 1,
    timeoutSeconds: COORDINATOR_TIMEOUT_SECONDS,
  });
  const collectors = new EventSource({
    queue: queue(urls.statistics),
    bundle: join(folder, "collector", "index.js"),
    environment: { ...environment, QUANTFLEET_DEAD_LETTERS_URL: urls.deadStatistics },
    folder,
    batchSize: 1,
    concurrency: 1,
    timeoutSeconds: EVALUATOR_TIMEOUT_SECONDS,
  });
  const evaluatorSource = new EventSource({
    queue: queues.jobs,
    bundle: join(folder, "evaluator", "index.js"),
    environment: { ...environment, QUANTFLEET_DEAD_LETTERS_URL: urls.deadJobs },
    folder,
    batchSize: 1,
    concurrency: evaluators,
    timeoutSeconds: EVALUATOR_TIMEOUT_SECONDS,
  });
  return {
    s3,
    store: new S3ObjectStore({ client: s3.client, bucket: BUCKET }),
    ...queues,
    deadJobs: queue(urls.deadJobs),
    deadEvents: queue(urls.deadEvents),
    evaluators: evaluatorSource,
    environment,
    async close() {
      await Promise.all([coordinator.close(), collectors.close(), evaluatorSource.close()]);
      await sqs.close();
      await s3.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
