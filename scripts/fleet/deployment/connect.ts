import { S3Client } from "@aws-sdk/client-s3";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { SQSClient } from "@aws-sdk/client-sqs";
import { SqsQueue } from "../../../shared/queues/sqs-queue.js";
import { S3ObjectStore } from "../../../shared/storage/s3-store.js";
import { CLIENT_OPTIONS } from "./client-options.js";
import type { Deployed, Fleet, ScheduleTarget } from "./fleet.js";
import { evaluatorsOf, readStackOutputs, type StackOutputs } from "./stack-outputs.js";

/** Outputs of a deployed stack that name its bucket and its events queue. */
export interface FleetOutputs {
  readonly bucket: string;
  readonly eventsUrl: string;
}

/** Connects to a deployed stack with the credentials and region that the AWS SDK finds. */
export function connectFleet({ bucket, eventsUrl }: FleetOutputs): Fleet {
  const client = new SQSClient({ ...CLIENT_OPTIONS, useQueueUrlAsEndpoint: false });
  return {
    store: new S3ObjectStore({ client: new S3Client({ ...CLIENT_OPTIONS }), bucket }),
    events: new SqsQueue({ client, url: eventsUrl }),
  };
}

/**
 * Connects to a deployed stack by name, including what estimates need to know about it.
 *
 * @param instead outputs that are used in place of the stack's own
 * @throws {UsageError} when there is no such stack, or it is not a quantfleet stack
 */
export async function connectStack(stack: string, instead: Partial<FleetOutputs> = {}): Promise<Fleet> {
  const outputs = await readStackOutputs(stack);
  const { bucket = outputs.Bucket, eventsUrl = outputs.EventsUrl } = instead;
  return { ...connectFleet({ bucket, eventsUrl }), ...deployed(outputs) };
}

/**
 * Connects to the schedules of a deployed stack.
 * @throws {UsageError} when there is no such stack, or it is not a quantfleet stack
 */
export async function connectSchedules(stack: string): Promise<ScheduleTarget> {
  const outputs = await readStackOutputs(stack);
  return {
    client: new SchedulerClient({ ...CLIENT_OPTIONS }),
    store: new S3ObjectStore({ client: new S3Client({ ...CLIENT_OPTIONS }), bucket: outputs.Bucket }),
    group: outputs.ScheduleGroup,
    eventsArn: outputs.EventsArn,
    roleArn: outputs.ScheduleRoleArn,
    deadLettersArn: outputs.ScheduleDeadLettersArn,
    ...deployed(outputs),
  };
}

function deployed(outputs: StackOutputs): Deployed {
  return { evaluator: evaluatorsOf(outputs), metricModules: outputs.MetricModules };
}
