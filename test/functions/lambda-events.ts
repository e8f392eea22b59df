import type { SQSEvent } from "aws-lambda";
import type { Log } from "../../functions/log.js";
import type { ReceivedMessage } from "../../shared/queues/queue.js";

/** Messages as Lambda hands them to a function. */
export function toEvent(messages: readonly ReceivedMessage[]): SQSEvent {
  return {
    Records: messages.map(({ id, body, receipt, deliveries, group }) => ({
      messageId: id,
      receiptHandle: receipt,
      body,
      attributes: {
        ApproximateReceiveCount: String(deliveries),
        SentTimestamp: "0",
        SenderId: "emulated",
        ApproximateFirstReceiveTimestamp: "0",
        ...(group === undefined ? {} : { MessageGroupId: group }),
      },
      messageAttributes: {},
      md5OfBody: "",
      eventSource: "aws:sqs",
      eventSourceARN: "arn:aws:sqs:us-east-1:000000000000:emulated",
      awsRegion: "us-east-1",
    })),
  };
}

export interface LogLines extends Log {
  readonly lines: readonly string[];
}

/** A log that keeps its messages. */
export function keepLog(): LogLines {
  const lines: string[] = [];
  const keep = (message: string): void => void lines.push(message);
  return { lines, info: keep, warn: keep, error: keep };
}
