import { Duration, RemovalPolicy, Size } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { acknowledgeBucket, acknowledgeKey, acknowledgeObjects } from "./acknowledgements.js";
import { FleetFunction } from "./fleet-function.js";
import { FleetQueue } from "./fleet-queues.js";
import type { QuantFleetProps } from "./quant-fleet-props.js";

const COORDINATOR_TIMEOUT = Duration.minutes(1);
/** As long as Lambda lets a function work. */
const WORKER_TIMEOUT = Duration.minutes(15);
/** AWS's advice for a queue behind a function. */
const VISIBILITY_TIMEOUTS = 6;
const EVENTS_A_BATCH = 10;
const DEFAULT_CONCURRENCY = 100;
const DEFAULT_COLLECTORS = 20;
const TICK = Duration.minutes(1);

/**
 * Everything that a fleet needs: a bucket, queues of jobs and of events, coordinator, collectors and evaluators
 * (system.md, "On AWS"). `cdk destroy` leaves nothing of it behind unless `removalPolicy` says so.
 *
 * @example
 * new QuantFleet(stack, "QuantFleet", { evaluatorConcurrency: 200 });
 */
export class QuantFleet extends Construct {
  readonly bucket: IBucket;
  /** Trial and finish jobs. */
  readonly jobs: FleetQueue;
  readonly statisticsJobs: FleetQueue;
  readonly events: FleetQueue;
  readonly coordinator: FleetFunction;
  readonly collector: FleetFunction;
  readonly evaluator: FleetFunction;

  constructor(scope: Construct, id: string, props: QuantFleetProps = {}) {
    super(scope, id);
    const { encryptionKey, removalPolicy = RemovalPolicy.DESTROY, alarmActions = [] } = props;
    this.bucket = props.bucket ?? this.#createBucket(props, removalPolicy);
    const queue = { encryptionKey, removalPolicy, alarmActions };
    const jobs = {
      ...queue,
      isFifo: false,
      visibility: Duration.minutes(VISIBILITY_TIMEOUTS * WORKER_TIMEOUT.toMinutes()),
    };
    this.jobs = new FleetQueue(this, "Jobs", jobs);
    this.statisticsJobs = new FleetQueue(this, "StatisticsJobs", jobs);
    this.events = new FleetQueue(this, "Events", {
      ...queue,
      isFifo: true,
      visibility: Duration.minutes(VISIBILITY_TIMEOUTS * COORDINATOR_TIMEOUT.toMinutes()),
    });
    this.coordinator = this.#createCoordinator(props, removalPolicy);
    this.collector = this.#createCollector(props, removalPolicy);
    this.evaluator = this.#createEvaluator(props, removalPolicy);
    this.#tick();
  }

  #createBucket({ encryptionKey }: QuantFleetProps, removalPolicy: RemovalPolicy): Bucket {
    const bucket = new Bucket(this, "Bucket", {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      ...(encryptionKey === undefined
        ? { encryption: BucketEncryption.S3_MANAGED }
        : { encryption: BucketEncryption.KMS, encryptionKey, bucketKeyEnabled: true }),
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy,
      autoDeleteObjects: removalPolicy === RemovalPolicy.DESTROY,
    });
    acknowledgeBucket(bucket);
    return bucket;
  }

  #createCoordinator(props: QuantFleetProps, removalPolicy: RemovalPolicy): FleetFunction {
    const coordinator = new FleetFunction(this, "Coordinator", {
      name: "coordinator",
      description: "Decides what a run of quantfleet does next.",
      architecture: props.architecture ?? Architecture.ARM_64,
      metricModules: props.metricModules ?? [],
      memory: props.coordinatorMemory ?? Size.mebibytes(1_769),
      timeout: COORDINATOR_TIMEOUT,
      environment: this.#environment(props, this.events),
      logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy,
    });
    coordinator.function.addEventSource(
      new SqsEventSource(this.events.queue, { batchSize: EVENTS_A_BATCH, reportBatchItemFailures: true }),
    );
    // Its own events are the Ticks that the schedule asks for.
    for (const queue of [
      this.jobs.queue,
      this.statisticsJobs.queue,
      this.events.queue,
      this.events.deadLetters,
    ])
      queue.grantSendMessages(coordinator.role);
    this.#grantObjects(coordinator, {
      read: ["runs/*", "data/*"],
      write: ["runs/*", "active/*"],
      remove: ["active/*"],
    });
    return coordinator;
  }

  #createCollector(props: QuantFleetProps, removalPolicy: RemovalPolicy): FleetFunction {
    const collector = new FleetFunction(this, "Collector", {
      name: "collector",
      description: "Gathers statistics of a run of quantfleet over a shard of its calibration samples.",
      architecture: props.architecture ?? Architecture.ARM_64,
      metricModules: props.metricModules ?? [],
      memory: props.evaluatorMemory ?? Size.mebibytes(3_538),
      timeout: WORKER_TIMEOUT,
      storage: props.evaluatorStorage ?? Size.gibibytes(2),
      environment: this.#environment(props, this.statisticsJobs),
      logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy,
    });
    collector.function.addEventSource(
      new SqsEventSource(this.statisticsJobs.queue, {
        batchSize: 1,
        reportBatchItemFailures: true,
        maxConcurrency: props.collectorConcurrency ?? DEFAULT_COLLECTORS,
      }),
    );
    for (const queue of [this.events.queue, this.statisticsJobs.deadLetters])
      queue.grantSendMessages(collector.role);
    this.#grantObjects(collector, {
      read: ["runs/*", "models/*", "data/*", "statistics/*"],
      write: ["statistics/*"],
      remove: [],
    });
    return collector;
  }

  #createEvaluator(props: QuantFleetProps, removalPolicy: RemovalPolicy): FleetFunction {
    const { provisionedPollers, evaluatorConcurrency, reservedEvaluators } = props;
    if (provisionedPollers !== undefined && evaluatorConcurrency !== undefined) {
      throw new TypeError(
        "evaluatorConcurrency and provisionedPollers exclude each other on AWS; leave one of them out.",
      );
    }
    const evaluator = new FleetFunction(this, "Evaluator", {
      name: "evaluator",
      description: "Scores trials of a run of quantfleet and writes its model.",
      architecture: props.architecture ?? Architecture.ARM_64,
      metricModules: props.metricModules ?? [],
      memory: props.evaluatorMemory ?? Size.mebibytes(3_538),
      timeout: WORKER_TIMEOUT,
      storage: props.evaluatorStorage ?? Size.gibibytes(2),
      environment: this.#environment(props, this.jobs),
      logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy,
      ...(reservedEvaluators === undefined ? {} : { reservedConcurrency: reservedEvaluators }),
    });
    evaluator.function.addEventSource(
      new SqsEventSource(this.jobs.queue, {
        batchSize: 1,
        reportBatchItemFailures: true,
        ...(provisionedPollers === undefined
          ? { maxConcurrency: evaluatorConcurrency ?? DEFAULT_CONCURRENCY }
          : {
              provisionedPollerConfig: {
                minimumPollers: provisionedPollers.minimum,
                maximumPollers: provisionedPollers.maximum,
              },
            }),
      }),
    );
    for (const queue of [this.events.queue, this.jobs.deadLetters]) queue.grantSendMessages(evaluator.role);
    this.#grantObjects(evaluator, {
      read: ["runs/*", "models/*", "data/*", "statistics/*"],
      write: ["runs/*", "statistics/*"],
      remove: [],
    });
    return evaluator;
  }

  #environment({ lease }: QuantFleetProps, own: FleetQueue): Record<string, string> {
    return {
      QUANTFLEET_BUCKET: this.bucket.bucketName,
      QUANTFLEET_JOBS_URL: this.jobs.queue.queueUrl,
      QUANTFLEET_STATISTICS_URL: this.statisticsJobs.queue.queueUrl,
      QUANTFLEET_EVENTS_URL: this.events.queue.queueUrl,
      QUANTFLEET_DEAD_LETTERS_URL: own.deadLetters.queueUrl,
      ...(lease === undefined ? {} : { QUANTFLEET_LEASE_SECONDS: String(lease.toSeconds()) }),
    };
  }

  #grantObjects(
    { role }: FleetFunction,
    keys: { readonly read: string[]; readonly write: string[]; readonly remove: string[] },
  ): void {
    const objects = (patterns: string[]): string[] =>
      patterns.map((pattern) => this.bucket.arnForObjects(pattern));
    // Without it S3 answers for an object that is not there as for one that is not allowed.
    role.addToPolicy(new PolicyStatement({ actions: ["s3:ListBucket"], resources: [this.bucket.bucketArn] }));
    role.addToPolicy(new PolicyStatement({ actions: ["s3:GetObject"], resources: objects(keys.read) }));
    role.addToPolicy(
      new PolicyStatement({
        actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
        resources: objects(keys.write),
      }),
    );
    if (keys.remove.length > 0)
      role.addToPolicy(
        new PolicyStatement({ actions: ["s3:DeleteObject"], resources: objects(keys.remove) }),
      );
    acknowledgeObjects(role, this.bucket, new Set([...keys.read, ...keys.write, ...keys.remove]));
    this.bucket.encryptionKey?.grantEncryptDecrypt(role);
    acknowledgeKey(role);
  }

  /** Lets deadlines pass: each run that has not ended is sent a Tick. */
  #tick(): void {
    new Rule(this, "Tick", {
      description: "Has the coordinator look at the deadlines of the runs that have not ended.",
      schedule: Schedule.rate(TICK),
      targets: [
        new LambdaTarget(this.coordinator.function, {
          deadLetterQueue: this.jobs.deadLetters,
          maxEventAge: TICK,
          retryAttempts: 2,
        }),
      ],
    });
  }
}
