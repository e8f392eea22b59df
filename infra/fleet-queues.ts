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
import { suppressDeadLetterRules } from "./nag-suppressions.js";

/**
 * Number of deliveries after which a message moves to the dead-letter queue; a delivery to a worker that
 * finds the job held by another worker counts too.
 */
const MAX_DELIVERIES = 10;
const RETENTION = Duration.days(14);

interface FleetQueueProps {
  readonly isFifo: boolean;
  /**
   * Visibility timeout. AWS recommends at least six times the function's timeout; workers shorten it when
   * they receive a job.
   */
  readonly visibility: Duration;
  /** Age of the oldest message at which an alarm is raised. */
  readonly tooOld: Duration;
  readonly encryptionKey: IKey | undefined;
  readonly removalPolicy: RemovalPolicy;
  readonly alarmActions: readonly IAlarmAction[];
}

/** A queue with its dead-letter queue, and an alarm for each. */
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
      // EventBridge schedules cannot set a deduplication id, so the queue uses a hash of the message.
      ...(isFifo ? { fifo: true, contentBasedDeduplication: true } : {}),
      ...(encryptionKey === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: encryptionKey }),
    };
    this.deadLetters = new Queue(this, "DeadLetters", common);
    suppressDeadLetterRules(this.deadLetters);
    this.queue = new Queue(this, "Queue", {
      ...common,
      // FIFO limits of throughput and deduplication hold per message group (run); otherwise all runs would
      // share one throughput limit.
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
