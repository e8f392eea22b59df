import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duration } from "aws-cdk-lib";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import * as z from "zod";
import type { QuantFleetProps } from "../../infra/quant-fleet-props.js";
import type { EvaluatorSize } from "../../scripts/fleet/deployment/fleet.js";
import { evaluatorsOf, stackOutputsSchema } from "../../scripts/fleet/deployment/stack-outputs.js";
import { SqsQueue } from "../../shared/queues/sqs-queue.js";
import { S3ObjectStore } from "../../shared/storage/s3-store.js";
import { type CloudFormationServer, startCloudFormationServer } from "./aws/cloudformation-server.js";
import { EventSource, parseMapping } from "./aws/event-source.js";
import type { PolledQueue } from "./aws/fauxqs-poller.js";
import { type FleetServers, startFleetServers } from "./aws/fleet-servers.js";
import { LambdaFunction } from "./aws/lambda-function.js";
import { ObjectPermissions } from "./aws/permissions.js";
import { type SchedulerServer, startSchedulerServer, type Target } from "./aws/scheduler-server.js";
import type { SqsServer } from "./aws/sqs-server.js";
import { type Resource, SynthesizedStack } from "./aws/synthesized-stack.js";

const STACK = "QuantFleet";
/** A lease short enough for tests; everything else has the construct's defaults. */
const LEASE = Duration.seconds(3);
/** Duration of a minute of schedules in tests. */
const MINUTE_MILLISECONDS = 1_000;

const functionSchema = z.looseObject({
  Role: z.unknown(),
  Handler: z.string(),
  Timeout: z.int(),
  MemorySize: z.int(),
  /** Lambda's default. */
  RecursiveLoop: z.enum(["Allow", "Terminate"]).default("Terminate"),
  Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
});

const queueSchema = z.looseObject({
  FifoQueue: z.boolean().optional(),
  ContentBasedDeduplication: z.boolean().optional(),
  VisibilityTimeout: z.int().optional(),
  MessageRetentionPeriod: z.int().optional(),
  RedrivePolicy: z.object({ deadLetterTargetArn: z.unknown(), maxReceiveCount: z.int() }).optional(),
});

/** A line in CloudWatch's embedded metric format. */
export interface LoggedMetric {
  readonly [key: string]: unknown;
}

export interface EmulatedFleet {
  /** The stack's name, by which the commands find the fleet. */
  readonly stack: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly scheduler: SchedulerServer;
  readonly store: S3ObjectStore;
  readonly jobs: SqsQueue;
  readonly statisticsJobs: SqsQueue;
  readonly events: SqsQueue;
  readonly deadJobs: SqsQueue;
  readonly deadStatisticsJobs: SqsQueue;
  readonly deadEvents: SqsQueue;
  readonly coordinator: LambdaFunction;
  readonly evaluators: LambdaFunction;
  /** Number and memory of evaluators, from the stack's outputs. */
  readonly evaluator: EvaluatorSize;
  readonly metrics: readonly LoggedMetric[];
  /** Processor time of all functions; the emulators run in the test's process. */
  processorSeconds(): number;
  /** Environment variables that direct the SDK to the emulators. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Deploys the synthesized stack to emulators of SQS, S3, Lambda, EventBridge Scheduler and CloudFormation.
 *
 * @param startServers starts the servers of SQS and S3
 * @param minuteMilliseconds duration of a minute of schedules
 * @param props further props of the construct
 */
export async function startEmulatedFleet(
  evaluators: number,
  startServers: () => Promise<FleetServers> = startFleetServers,
  minuteMilliseconds = MINUTE_MILLISECONDS,
  props: QuantFleetProps = {},
): Promise<EmulatedFleet> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-fleet-"));
  const stack = new SynthesizedStack(join(folder, "cdk.out"), {
    architecture: process.arch === "arm64" ? Architecture.ARM_64 : Architecture.X86_64,
    evaluatorConcurrency: evaluators,
    collectorConcurrency: 2,
    lease: LEASE,
    ...props,
  });
  const { sqs, s3, bucket } = await startServers();
  const deployment = new Deployment(stack, sqs, bucket, folder);
  const scheduler = await startSchedulerServer((target, payload) => deployment.deliver(target, payload));
  const endpoints = {
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: stack.user,
    AWS_SECRET_ACCESS_KEY: "emulated",
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_ENDPOINT_URL_SCHEDULER: scheduler.endpoint,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  await deployment.deploy(endpoints);
  // Callers that are no role of the stack are the test itself.
  const [permissions, denied] = [new ObjectPermissions(stack), new Set<string>()];
  const roles = new Set(stack.resources("AWS::IAM::Role").map(({ id }) => id));
  s3.restrict?.((caller, action, key) => {
    const arn = `arn:aws:s3:::${bucket}${key === undefined ? "" : `/${key}`}`;
    if (!roles.has(caller) || permissions.allows(caller, action, arn)) return true;
    denied.add(`${caller} may not ${action} ${arn}`);
    return false;
  });
  for (const { properties } of stack.resources("AWS::Scheduler::Schedule")) {
    const definition = stack.resolve(properties) as { readonly Name: string };
    scheduler.create(definition.Name, definition);
  }
  const outputs = stack.outputs();
  const cloudFormation: CloudFormationServer = await startCloudFormationServer(new Map([[STACK, outputs]]));
  const minutes = setInterval(() => void scheduler.passMinute(), minuteMilliseconds);
  const queue = (path: string): SqsQueue => deployment.queue(path);
  return {
    stack: STACK,
    outputs,
    scheduler,
    store: new S3ObjectStore({ client: s3.client, bucket }),
    jobs: queue("JobsQueue"),
    statisticsJobs: queue("StatisticsJobsQueue"),
    events: queue("EventsQueue"),
    deadJobs: queue("JobsDeadLetters"),
    deadStatisticsJobs: queue("StatisticsJobsDeadLetters"),
    deadEvents: queue("EventsDeadLetters"),
    coordinator: deployment.function("Coordinator"),
    evaluators: deployment.function("Evaluator"),
    evaluator: evaluatorsOf(stackOutputsSchema.parse(outputs)),
    metrics: deployment.metrics,
    processorSeconds: () => deployment.processorSeconds(),
    environment: { ...endpoints, AWS_ENDPOINT_URL_CLOUDFORMATION: cloudFormation.endpoint },
    async close() {
      clearInterval(minutes);
      await deployment.close();
      await Promise.all([scheduler.close(), cloudFormation.close(), sqs.close(), s3.close()]);
      await rm(folder, { recursive: true, force: true });
      // Reported here, because a run may have waited in vain or continued without the permission.
      if (denied.size > 0) throw new Error(`Roles lack permissions: ${[...denied].join("; ")}.`);
    },
  };
}

/** Creates the resources of a template in the emulators. */
class Deployment {
  readonly metrics: LoggedMetric[] = [];
  /** By ARN. */
  readonly #queues = new Map<string, SqsQueue>();
  readonly #polled = new Map<string, PolledQueue>();
  readonly #functions = new Map<string, LambdaFunction>();
  readonly #sources: EventSource[] = [];

  constructor(
    private readonly stack: SynthesizedStack,
    private readonly sqs: SqsServer,
    private readonly bucket: string,
    private readonly folder: string,
  ) {}

  async deploy(endpoints: Readonly<Record<string, string>>): Promise<void> {
    for (const { id } of this.stack.resources("AWS::S3::Bucket"))
      this.stack.deployed(id, { ref: this.bucket, arn: `arn:aws:s3:::${this.bucket}` });
    for (const { id } of this.stack.resources("AWS::IAM::Role"))
      this.stack.deployed(id, { ref: id, arn: `arn:aws:iam::000000000000:role/${id}` });
    for (const { id, properties } of this.stack.resources("AWS::Scheduler::ScheduleGroup"))
      this.stack.deployed(id, { ref: String(properties.Name), arn: `arn:aws:scheduler:::group/${id}` });
    await this.#createQueues();
    const mappings = this.stack.resources("AWS::Lambda::EventSourceMapping");
    const functions = this.stack.resources("AWS::Lambda::Function");
    for (const { id } of functions) this.stack.deployed(id, { ref: id, arn: functionArn(id) });
    const mapped = new Set(mappings.map(({ properties }) => this.stack.resolve(properties.FunctionName)));
    for (const resource of functions) if (mapped.has(resource.id)) this.#createFunction(resource, endpoints);
    for (const { properties } of mappings) {
      const mapping = parseMapping(this.stack.resolve(properties));
      const queue = this.#polled.get(mapping.EventSourceArn);
      const target = this.#functions.get(functionArn(mapping.FunctionName));
      if (queue === undefined || target === undefined) throw new Error("A mapping leads nowhere.");
      this.#sources.push(new EventSource(mapping, queue, target));
    }
  }

  /** The queue whose logical id begins with this path. */
  queue(path: string): SqsQueue {
    return find(this.#queues, `QuantFleet${path}`.toLowerCase());
  }

  function(path: string): LambdaFunction {
    return find(this.#functions, `QuantFleet${path}`);
  }

  /** Delivers the payload of a schedule. */
  async deliver({ Arn, SqsParameters }: Target, payload: string): Promise<void> {
    const target = this.#functions.get(Arn);
    if (target !== undefined) await target.invoke(JSON.parse(payload));
    const group = SqsParameters?.MessageGroupId;
    await this.#queues.get(Arn)?.send([{ body: payload, ...(group === undefined ? {} : { group }) }]);
  }

  processorSeconds(): number {
    return [...this.#functions.values()].reduce((sum, target) => sum + target.processorSeconds(), 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  /** Creates the queues, dead-letter queues first. */
  async #createQueues(): Promise<void> {
    const queues = this.stack.resources("AWS::SQS::Queue");
    const isLast = ({ properties }: Resource): boolean => properties.RedrivePolicy === undefined;
    for (const { id, properties } of [
      ...queues.filter(isLast),
      ...queues.filter((queue) => !isLast(queue)),
    ]) {
      const parsed = queueSchema.parse(properties);
      // Unique names, as in CloudFormation, because servers may outlive the stack.
      const name = `${id.toLowerCase()}-${randomUUID().slice(0, 8)}${parsed.FifoQueue ? ".fifo" : ""}`;
      const attributes = Object.entries({
        ...parsed,
        RedrivePolicy: this.stack.resolve(parsed.RedrivePolicy),
      })
        .filter(([key, value]) => key in queueSchema.shape && value !== undefined)
        .map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]);
      const { url, arn } = await this.sqs.createQueue(name, Object.fromEntries(attributes));
      this.stack.deployed(id, { ref: url, arn });
      this.#queues.set(arn, new SqsQueue({ client: this.sqs.client, url }));
      this.#polled.set(arn, this.sqs.poll(url));
    }
  }

  #createFunction(
    { id, properties, assetFolder }: Resource,
    endpoints: Readonly<Record<string, string>>,
  ): void {
    const { Role, Handler, Timeout, MemorySize, RecursiveLoop, Environment } =
      functionSchema.parse(properties);
    if (assetFolder === undefined) throw new Error(`Function ${id} has no files.`);
    const target = new LambdaFunction({
      code: assetFolder,
      handler: Handler,
      environment: {
        ...(this.stack.resolve(Environment.Variables) as Record<string, string>),
        ...endpoints,
        AWS_ACCESS_KEY_ID: String(this.stack.resolve(Role)).split("/").at(-1) ?? "",
        AWS_LAMBDA_FUNCTION_NAME: id,
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MemorySize),
      },
      folder: this.folder,
      timeoutSeconds: Timeout,
      recursiveLoop: RecursiveLoop,
      onLog: (line) => this.#keepMetrics(line),
    });
    this.#functions.set(functionArn(id), target);
  }

  #keepMetrics(line: string): void {
    if (!line.includes('"CloudWatchMetrics"')) return;
    this.metrics.push(JSON.parse(line) as LoggedMetric);
  }
}

const functionArn = (id: string): string => `arn:aws:lambda:us-east-1:000000000000:function:${id}`;

function find<Value>(byArn: ReadonlyMap<string, Value>, name: string): Value {
  const [found] = [...byArn].filter(([arn]) => arn.split(":").at(-1)?.startsWith(name));
  if (found === undefined) throw new Error(`The template has no ${name}.`);
  return found[1];
}
