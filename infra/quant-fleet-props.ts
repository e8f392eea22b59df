import type { Duration, RemovalPolicy, Size } from "aws-cdk-lib";
import type { IAlarmAction } from "aws-cdk-lib/aws-cloudwatch";
import type { IKey } from "aws-cdk-lib/aws-kms";
import type { Architecture } from "aws-cdk-lib/aws-lambda";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";

/** Settings of a fleet; all are optional. */
export interface QuantFleetProps {
  /**
   * Architecture of the functions, which determines the results of 8-bit kernels: arm64 computes the same as
   * x86 with VNNI, and Lambda's x86 processors may lack VNNI.
   *
   * @default Architecture.ARM_64
   */
  readonly architecture?: Architecture;
  /**
   * Memory of an evaluator, from 128 to 10,240 MB; it also determines the processor share, one vCPU at 1,769
   * MB. Model, data and sessions must fit. New accounts need a quota increase above 3,008 MB.
   *
   * @default 3,008 MB
   */
  readonly evaluatorMemory?: Size;
  /**
   * Memory of a collector (the function that gathers calibration statistics). @default that of an evaluator
   */
  readonly collectorMemory?: Size;
  /** Memory of the coordinator (the function that decides a run's next steps). @default 1,769 MB */
  readonly coordinatorMemory?: Size;
  /**
   * Maximum number of concurrent evaluators, from 2 to 1,000; excludes `provisionedPollers`.
   *
   * @default 100
   */
  readonly evaluatorConcurrency?: number;
  /**
   * Maximum number of concurrent collectors, from 2 to 1,000; each gathers a shard of the calibration
   * samples. @default 20
   */
  readonly collectorConcurrency?: number;
  /**
   * Provisioned pollers of the evaluators' event source (Lambda's readers of the job queue), which scale up
   * to many evaluators three times as fast and are billed by the hour: a minimum of 2 to 200 and a maximum of
   * 2 to 2,000.
   *
   * @default pollers on demand
   */
  readonly provisionedPollers?: { readonly minimum: number; readonly maximum: number };
  /**
   * Reserved concurrency of evaluators, at least `evaluatorConcurrency`; it is taken from the account's
   * concurrency. With `provisionedPollers` it is the limit of concurrent evaluators.
   *
   * @default none
   */
  readonly reservedEvaluators?: number;
  /** Reserved concurrency of collectors, at least `collectorConcurrency`. @default none */
  readonly reservedCollectors?: number;
  /**
   * Reserved concurrency of coordinators, from 3 to 1,000, so that other functions of the account do not
   * delay runs. One of them is for the Tick (the periodic check of deadlines); the number of runs handled at
   * once is one less.
   *
   * @default none
   */
  readonly reservedCoordinators?: number;
  /**
   * Files of metric modules that configurations refer to (`engine.metric.module`). They are bundled into the
   * functions with esbuild, which must be installed: a fleet only runs code that was deployed with it.
   */
  readonly metricModules?: readonly string[];
  /**
   * Temporary storage of evaluators and collectors, from 512 to 10,240 MB; model and data must fit. @default
   * 2 GiB
   */
  readonly evaluatorStorage?: Size;
  /**
   * Time without a lease extension after which a worker is taken for dead, 1 to 900 seconds. @default 60
   * seconds
   */
  readonly lease?: Duration;
  /**
   * Cost of all runs per day in US dollars that raises an alarm. It does not stop runs, which have their own
   * `max_cost_usd`.
   *
   * @default no such alarm
   */
  readonly budgetUsdPerDay?: number;
  /** How long the functions' logs are kept. @default RetentionDays.ONE_MONTH */
  readonly logRetention?: RetentionDays;
  /**
   * Removal policy of bucket, queues and log groups. With RETAIN they stay; with DESTROY they are deleted
   * with the stack, the bucket after it was emptied. A given `bucket` always stays; the schedules are always
   * deleted.
   *
   * @default RemovalPolicy.DESTROY
   */
  readonly removalPolicy?: RemovalPolicy;
  /**
   * An existing bucket to use; it must itself refuse requests without TLS, and is not deleted with the stack.
   * If it is encrypted with a KMS key, the construct must know the key in order to grant its use:
   * `Bucket.fromBucketAttributes(scope, id, { bucketName, encryptionKey })`. This key need not be the fleet's
   * `encryptionKey`.
   *
   * @default a new bucket
   */
  readonly bucket?: IBucket;
  /** KMS key that encrypts the queues and, unless it is given, the bucket. @default keys of S3 and SQS */
  readonly encryptionKey?: IKey;
  /**
   * Actions of the alarms: messages in dead-letter queues or waiting too long, errors and throttles of
   * functions, cost per day.
   *
   * @default no actions
   */
  readonly alarmActions?: readonly IAlarmAction[];
}
