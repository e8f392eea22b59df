import { Duration, Names, RemovalPolicy, Size } from "aws-cdk-lib";
import type { IAlarmAction } from "aws-cdk-lib/aws-cloudwatch";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import { SqsEventSource, type SqsEventSourceProps } from "aws-cdk-lib/aws-lambda-event-sources";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { METRIC } from "../functions/metric-names.js";
import { type BundledModule, bundleModule } from "../shared/metrics/module-bundle.js";
import { listOfModules } from "../shared/metrics/module-location.js";
import { requestKey, runPrefix, spaceKey, stateKey } from "../shared/run/protocol/record-keys.js";
import { checkProps, checkReserved } from "./check-props.js";
import { addAlarm } from "./fleet-alarm.js";
import { FleetBucket } from "./fleet-bucket.js";
import { FleetDashboard, fleetMetric } from "./fleet-dashboard.js";
import { FleetFunction } from "./fleet-function.js";
import { FleetQueue } from "./fleet-queues.js";
import { grantFleetUse } from "./fleet-use.js";
import { grantObjects, type ObjectAccess } from "./object-access.js";
import type { QuantFleetProps } from "./quant-fleet-props.js";
import { RunSchedules } from "./run-schedules.js";
import { TickSchedule } from "./tick-schedule.js";

const COORDINATOR_TIMEOUT = Duration.minutes(1);
/** Time-out of the worker functions: the maximum of Lambda. */
const WORKER_TIMEOUT = Duration.minutes(15);
/** Visibility timeout of a queue's messages as a multiple of the function's time-out, as AWS recommends. */
const VISIBILITY_TIMEOUTS = 6;
/**
 * Age of the oldest message at which an alarm is raised, as a multiple of the function's time-out: a message
 * may wait for one job of maximum duration and then be processed for as long.
 */
const TOO_OLD_TIMEOUTS = 2;
const LEAST_TOO_OLD = Duration.minutes(10);
const EVENTS_A_BATCH = 10;
const DEFAULT_EVALUATORS = 100;
const DEFAULT_COLLECTORS = 20;
/** Number of concurrent invocations per provisioned poller (Lambda's developer guide, "Provisioned mode"). */
const INVOCATIONS_A_POLLER = 10;
/**
 * Default memory of a worker function, the maximum for new accounts. It comes with 1.7 processors: one for
 * ONNX Runtime's single thread, the rest for everything else.
 */
const DEFAULT_WORKER_MEMORY = Size.mebibytes(3_008);
/** Stands for any run's id in patterns of object keys. */
const ANY_RUN = "*";
const MAX_FLEET_NAME = 64;

interface WorkerProps {
  readonly name: "collector" | "evaluator";
  readonly description: string;
  readonly jobs: FleetQueue;
  readonly memory: Size;
  readonly scaling: SqsEventSourceProps;
  readonly reservedConcurrency: number | undefined;
  readonly objects: ObjectAccess;
}

/**
 * All resources of a fleet: a bucket, queues of jobs and events, coordinator, collectors and evaluators,
 * schedules, alarms and a dashboard. `cdk destroy` deletes all of them unless `removalPolicy` says otherwise.
 *
 * @example
 * new QuantFleet(stack, "QuantFleet", { evaluatorConcurrency: 200 });
 */
export class QuantFleet extends Construct {
  readonly bucket: IBucket;
  /** Queue of trial and finish jobs. */
  readonly jobs: FleetQueue;
  readonly statisticsJobs: FleetQueue;
  readonly events: FleetQueue;
  readonly coordinator: FleetFunction;
  readonly collector: FleetFunction;
  readonly evaluator: FleetFunction;
  readonly schedules: RunSchedules;
  readonly dashboard: FleetDashboard;
  /** Values by which the commands find and use the fleet; a stack of your own must have them as outputs. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Value of the dimension `fleet` of this fleet's CloudWatch metrics. */
  readonly #name: string;
  readonly #props: QuantFleetProps;
  readonly #removalPolicy: RemovalPolicy;
  readonly #metricModules: readonly BundledModule[];

  /**
   * @throws {RangeError | TypeError} if a prop is outside its limits
   * @throws {ConfigurationError} if a metric module cannot be bundled
   */
  constructor(scope: Construct, id: string, props: QuantFleetProps = {}) {
    super(scope, id);
    checkProps(props);
    this.#props = props;
    this.#name = Names.uniqueResourceName(this, { maxLength: MAX_FLEET_NAME });
    this.#removalPolicy = props.removalPolicy ?? RemovalPolicy.DESTROY;
    this.#metricModules = (props.metricModules ?? []).map(bundleModule);
    this.bucket = props.bucket ?? this.#createBucket();
    this.jobs = this.#createQueue("Jobs", WORKER_TIMEOUT, false);
    this.statisticsJobs = this.#createQueue("StatisticsJobs", WORKER_TIMEOUT, false);
    this.events = this.#createQueue("Events", COORDINATOR_TIMEOUT, true);
    this.schedules = new RunSchedules(this, "Schedules", { events: this.events, jobs: this.jobs });
    this.coordinator = this.#createCoordinator();
    this.collector = this.#createCollector();
    this.evaluator = this.#createEvaluator();
    new TickSchedule(this, "Tick", {
      group: this.schedules.group,
      coordinator: this.coordinator,
      deadLetters: this.jobs.deadLetters,
    });
    this.dashboard = new FleetDashboard(this, "Dashboard", {
      fleet: this.#name,
      queues: { jobs: this.jobs, statistics: this.statisticsJobs, events: this.events },
      functions: {
        coordinator: this.coordinator,
        collector: this.collector,
        evaluator: this.evaluator,
      },
    });
    this.#addBudgetAlarm();
    this.outputs = {
      Bucket: this.bucket.bucketName,
      EventsUrl: this.events.queue.queueUrl,
      EventsArn: this.events.queue.queueArn,
      ScheduleGroup: this.schedules.group.scheduleGroupName,
      ScheduleRoleArn: this.schedules.role.roleArn,
      ScheduleDeadLettersArn: this.jobs.deadLetters.queueArn,
      Architecture: this.#architecture.name,
      MetricModules: listOfModules(this.#metricModules.map(({ hash }) => hash)),
      EvaluatorConcurrency: String(this.#evaluatorConcurrency),
      EvaluatorMegabytes: String((props.evaluatorMemory ?? DEFAULT_WORKER_MEMORY).toMebibytes()),
    };
  }

  /** Grants the permissions to submit, watch, fetch, cancel and schedule runs, and no others. */
  grantUse(grantee: IGrantable): void {
    grantFleetUse(grantee, this);
  }

  get #architecture(): Architecture {
    return this.#props.architecture ?? Architecture.ARM_64;
  }

  get #evaluatorConcurrency(): number {
    const { provisionedPollers, evaluatorConcurrency = DEFAULT_EVALUATORS, reservedEvaluators } = this.#props;
    if (provisionedPollers === undefined) return evaluatorConcurrency;
    const polled = provisionedPollers.maximum * INVOCATIONS_A_POLLER;
    return Math.min(polled, reservedEvaluators ?? polled);
  }

  get #logRetention(): RetentionDays {
    return this.#props.logRetention ?? RetentionDays.ONE_MONTH;
  }

  get #alarmActions(): readonly IAlarmAction[] {
    return this.#props.alarmActions ?? [];
  }

  #createBucket(): IBucket {
    const { encryptionKey } = this.#props;
    return new FleetBucket(this, "Bucket", {
      encryptionKey,
      removalPolicy: this.#removalPolicy,
      logRetention: this.#logRetention,
    }).bucket;
  }

  #createQueue(id: string, timeout: Duration, isFifo: boolean): FleetQueue {
    const { encryptionKey } = this.#props;
    return new FleetQueue(this, id, {
      isFifo,
      visibility: Duration.seconds(VISIBILITY_TIMEOUTS * timeout.toSeconds()),
      tooOld: Duration.seconds(Math.max(TOO_OLD_TIMEOUTS * timeout.toSeconds(), LEAST_TOO_OLD.toSeconds())),
      encryptionKey,
      removalPolicy: this.#removalPolicy,
      alarmActions: this.#alarmActions,
    });
  }

  #createCoordinator(): FleetFunction {
    const { reservedCoordinators } = this.#props;
    const coordinator = new FleetFunction(this, "Coordinator", {
      name: "coordinator",
      description: "Decides what a run of quantfleet does next.",
      architecture: this.#architecture,
      metricModules: this.#metricModules,
      memory: this.#props.coordinatorMemory ?? Size.mebibytes(1_769),
      timeout: COORDINATOR_TIMEOUT,
      environment: this.#environment(this.events),
      logRetention: this.#logRetention,
      removalPolicy: this.#removalPolicy,
      alarmActions: this.#alarmActions,
      ...(reservedCoordinators === undefined ? {} : { reservedConcurrency: reservedCoordinators }),
    });
    coordinator.function.addEventSource(
      new SqsEventSource(this.events.queue, {
        batchSize: EVENTS_A_BATCH,
        reportBatchItemFailures: true,
        // One reserved invocation is left for the Tick's schedule, which invokes the function directly.
        ...(reservedCoordinators === undefined ? {} : { maxConcurrency: reservedCoordinators - 1 }),
      }),
    );
    // The coordinator sends jobs, and to itself Ticks (events to check deadlines) and the requests of
    // scheduled runs.
    for (const queue of [
      this.jobs.queue,
      this.statisticsJobs.queue,
      this.events.queue,
      this.events.deadLetters,
    ])
      queue.grantSendMessages(coordinator.role);
    grantObjects(coordinator.role, this.bucket, {
      read: ["runs/*", "restored/*", "data/*", "schedules/*"],
      write: [
        ...[requestKey, spaceKey, stateKey].map((key) => key(ANY_RUN)),
        `${runPrefix(ANY_RUN)}trials/*`,
        `${runPrefix(ANY_RUN)}asked/*`,
        // The coordinator requests the runs of schedules, so it writes their workload documents.
        `${runPrefix(ANY_RUN)}workload.json`,
        "active/*",
      ],
      remove: ["active/*"],
    });
    return coordinator;
  }

  #createCollector(): FleetFunction {
    const { collectorMemory, evaluatorMemory, reservedCollectors } = this.#props;
    const { collectorConcurrency = DEFAULT_COLLECTORS } = this.#props;
    checkReserved("Collectors", reservedCollectors, collectorConcurrency);
    return this.#createWorker("Collector", {
      name: "collector",
      description: "Gathers statistics of a run of quantfleet over a shard of its calibration samples.",
      jobs: this.statisticsJobs,
      memory: collectorMemory ?? evaluatorMemory ?? DEFAULT_WORKER_MEMORY,
      scaling: { maxConcurrency: collectorConcurrency },
      reservedConcurrency: reservedCollectors,
      objects: { read: ["runs/*", "models/*", "data/*", "statistics/*"], write: ["statistics/*"] },
    });
  }

  #createEvaluator(): FleetFunction {
    const { provisionedPollers, evaluatorMemory, reservedEvaluators } = this.#props;
    checkReserved("Evaluators", reservedEvaluators, this.#evaluatorConcurrency);
    return this.#createWorker("Evaluator", {
      name: "evaluator",
      description: "Scores trials of a run of quantfleet and writes its model.",
      jobs: this.jobs,
      memory: evaluatorMemory ?? DEFAULT_WORKER_MEMORY,
      scaling:
        provisionedPollers === undefined
          ? { maxConcurrency: this.#evaluatorConcurrency }
          : {
              provisionedPollerConfig: {
                minimumPollers: provisionedPollers.minimum,
                maximumPollers: provisionedPollers.maximum,
              },
            },
      reservedConcurrency: reservedEvaluators,
      objects: {
        read: ["runs/*", "models/*", "data/*", "statistics/*"],
        write: [
          ...["claims/*", "scores/*", "model.onnx", "model.onnx.data", "finish.json"].map(
            (name) => `${runPrefix(ANY_RUN)}${name}`,
          ),
          // Statistics for channel alignment are gathered by the first program that needs them.
          "statistics/*",
        ],
      },
    });
  }

  #createWorker(
    id: string,
    { jobs, scaling, objects, reservedConcurrency, ...own }: WorkerProps,
  ): FleetFunction {
    const worker = new FleetFunction(this, id, {
      ...own,
      architecture: this.#architecture,
      // Collectors score no samples, so they need no metric modules.
      metricModules: own.name === "evaluator" ? this.#metricModules : [],
      timeout: WORKER_TIMEOUT,
      storage: this.#props.evaluatorStorage ?? Size.gibibytes(2),
      environment: this.#environment(jobs),
      logRetention: this.#logRetention,
      removalPolicy: this.#removalPolicy,
      alarmActions: this.#alarmActions,
      ...(reservedConcurrency === undefined ? {} : { reservedConcurrency }),
    });
    worker.function.addEventSource(
      new SqsEventSource(jobs.queue, { batchSize: 1, reportBatchItemFailures: true, ...scaling }),
    );
    for (const queue of [this.events.queue, jobs.deadLetters]) queue.grantSendMessages(worker.role);
    grantObjects(worker.role, this.bucket, objects);
    return worker;
  }

  /**
   * The environment variables of a function.
   *
   * @param own the queue that the function receives its messages from
   */
  #environment(own: FleetQueue): Record<string, string> {
    const { lease } = this.#props;
    return {
      QUANTFLEET_FLEET: this.#name,
      QUANTFLEET_BUCKET: this.bucket.bucketName,
      QUANTFLEET_JOBS_URL: this.jobs.queue.queueUrl,
      QUANTFLEET_STATISTICS_URL: this.statisticsJobs.queue.queueUrl,
      QUANTFLEET_EVENTS_URL: this.events.queue.queueUrl,
      QUANTFLEET_DEAD_LETTERS_URL: own.deadLetters.queueUrl,
      QUANTFLEET_SCHEDULE_GROUP: this.schedules.group.scheduleGroupName,
      ...(lease === undefined ? {} : { QUANTFLEET_LEASE_SECONDS: String(lease.toSeconds()) }),
    };
  }

  #addBudgetAlarm(): void {
    const { budgetUsdPerDay } = this.#props;
    if (budgetUsdPerDay === undefined) return;
    addAlarm(this, "Budget", {
      description: "Runs have cost as much within a day as they are meant to, or more.",
      metric: fleetMetric(this.#name, "coordinator", METRIC.usdSpent).with({ period: Duration.days(1) }),
      threshold: budgetUsdPerDay,
      actions: this.#alarmActions,
    });
  }
}
