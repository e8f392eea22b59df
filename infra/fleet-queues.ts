import { Duration, type RemovalPolicy } from "aws-cdk-lib";
import type { IAlarmAction } from "aws-cdk-lib/aws-cloudwatch";
import type { IKey } from "aws-cdk-lib/aws-kms";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  Queue,
  QueueEncryption,
  type QueueProps,
} from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { addAlarm } from "./fleet-alarm.js";
import { acknowledgeDeadLetters } from "./nag-suppressions.js";

/** Deliveries that end without an answer before a message is buried: a lease that is taken counts as one, too. */
const MAX_DELIVERIES = 10;
const RETENTION = Duration.days(14);

interface FleetQueueProps {
  readonly isFifo: boolean;
  /** AWS asks for at least six times the function's timeout; the evaluator shortens it as soon as it has a job. */
  readonly visibility: Duration;
  /** A message of this age is told of. */
  readonly tooOld: Duration;
  readonly encryptionKey: IKey | undefined;
  readonly removalPolicy: RemovalPolicy;
  readonly alarmActions: readonly IAlarmAction[];
}

/** A queue with the queue for what nobody could deal with, and an alarm for each. */
export class FleetQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: FleetQueueProps) {
    super(scope, id);
    const { isFifo, visibility, tooOld, encryptionKey, removalPolicy } = props;
    const common: QueueProps = {
      enforceSSL: true,
      retentionPeriod: RETENTION,
      removalPolicy,
      // Schedules cannot say what a message is to be known by.
      ...(isFifo ? { fifo: true, contentBasedDeduplication: true } : {}),
      ...(encryptionKey === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }),
    };
    this.deadLetters = new Queue(this, "DeadLetters", common);
    acknowledgeDeadLetters(this.deadLetters);
    this.queue = new Queue(this, "Queue", {
      ...common,
      // Else all runs together have the calls of a second that one may have; whatever is deduplicated is of one run.
      ...(isFifo
        ? {
            deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
            fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
          }
        : {}),
      visibilityTimeout: visibility,
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: MAX_DELIVERIES },
    });
    const { alarmActions: actions } = props;
    addAlarm(this, "Buried", {
      description: "Messages that nobody could deal with.",
      metric: this.deadLetters.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1) }),
      threshold: 1,
      actions,
    });
    addAlarm(this, "Waiting", {
      description: "Messages wait for longer than a fleet at work lets them.",
      metric: this.queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(1) }),
      threshold: tooOld.toSeconds(),
      actions,
    });
  }
}
