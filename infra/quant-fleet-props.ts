import type { Duration, RemovalPolicy, Size } from "aws-cdk-lib";
import type { IAlarmAction } from "aws-cdk-lib/aws-cloudwatch";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { Architecture } from "aws-cdk-lib/aws-lambda";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";

/** How a fleet is set up; all of it can be left out. */
export interface QuantFleetProps {
  /**
   * The processors that score, which decides what 8-bit kernels compute: arm64 gives what x86 with VNNI gives, and
   * Lambda's x86 may have none.
   * @default Architecture.ARM_64
   */
  readonly architecture?: Architecture;
  /**
   * An evaluator's memory, from 128 to 10,240 MB, and with it its share of processors: one whole at 1,769 MB. The
   * model, the data and the sessions must fit in. Above 3,008 MB a new account asks AWS for more first.
   * @default 3,008 MB
   */
  readonly evaluatorMemory?: Size;
  /** A collector's memory. @default that of an evaluator */
  readonly collectorMemory?: Size;
  /** The coordinator's memory. @default 1,769 MB */
  readonly coordinatorMemory?: Size;
  /**
   * Evaluators at work at once, from 2 to 1,000. With `provisionedPollers` it must be left out.
   * @default 100
   */
  readonly evaluatorConcurrency?: number;
  /** Collectors at work at once, from 2 to 1,000; a shard of the calibration samples each. @default 20 */
  readonly collectorConcurrency?: number;
  /**
   * Pollers that stand ready, which get to many evaluators three times as fast, and are paid for by the hour: 2 to 200
   * at least and 2 to 2,000 at most.
   * @default pollers come as they are needed
   */
  readonly provisionedPollers?: { readonly minimum: number; readonly maximum: number };
  /**
   * Keeps so much of the account's concurrency for evaluators, and from everybody else: `evaluatorConcurrency` at least.
   * With `provisionedPollers`, which nothing else bounds, it is how many work at once.
   * @default none is kept
   */
  readonly reservedEvaluators?: number;
  /** Keeps so much for collectors: `collectorConcurrency` at least. @default none is kept */
  readonly reservedCollectors?: number;
  /**
   * Keeps so much for coordinators, from 3 to 1,000, so that what else is in the account does not hold up runs. One of
   * them is the Tick's; so many runs as there are others are heard at once.
   * @default none is kept
   */
  readonly reservedCoordinators?: number;
  /**
   * Files of metric modules that configurations name (`engine.metric.module`), bundled into the functions with esbuild,
   * which must be installed: a fleet runs no code that was not deployed with it.
   */
  readonly metricModules?: readonly string[];
  /** Temporary storage of an evaluator and of a collector, from 512 to 10,240 MB: model and data must fit in. @default 2 GiB */
  readonly evaluatorStorage?: Size;
  /** How long a worker that says nothing is taken for alive, from 1 to 900 seconds. @default 60 seconds */
  readonly lease?: Duration;
  /**
   * US dollars a day that runs may cost before an alarm tells of it. It stops nothing: a run is bounded by its own
   * `max_cost_usd`.
   * @default there is no such alarm
   */
  readonly budgetUsdPerDay?: number;
  /** How long the functions' logs are kept. @default RetentionDays.ONE_MONTH */
  readonly logRetention?: RetentionDays;
  /**
   * What becomes of bucket, queues and functions' logs with the stack. With RETAIN they stay; without it they go, and the
   * bucket is emptied first. A `bucket` that is given stays in any case; the schedules always go.
   * @default RemovalPolicy.DESTROY
   */
  readonly removalPolicy?: RemovalPolicy;
  /**
   * A bucket to use instead of an own one; it must refuse requests without TLS itself, and stays when the stack goes.
   * One that is encrypted with a key of KMS must say so, or nobody is given the key: `Bucket.fromBucketAttributes(scope,
   * id, { bucketName, encryptionKey })`, whose key need not be this fleet's `encryptionKey`.
   * @default one of its own
   */
  readonly bucket?: IBucket;
  /** Encrypts queues and, where it is the fleet's own, the bucket. @default keys of S3 and SQS do */
  readonly encryptionKey?: IKey;
  /**
   * What is done when messages are buried or wait too long, a function fails or is turned away, or the budget is spent.
   * @default the alarms only show it
   */
  readonly alarmActions?: readonly IAlarmAction[];
}
