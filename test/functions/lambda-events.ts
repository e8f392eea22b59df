import type { SQSEvent } from "aws-lambda";
import type { Log } from "../../functions/log.js";
import type { MetricName } from "../../functions/metric-names.js";
import type { FleetMetrics } from "../../functions/metrics.js";
import type { ReceivedMessage } from "../../shared/queues/queue.js";

/**
 * Messages as Lambda passes them to a function.
 *
 * @param messages with the trace header of the calls that sent them, where it is known
 */
export function toEvent(messages: readonly (ReceivedMessage & { readonly trace?: string })[]): SQSEvent {
  return {
    Records: messages.map(({ id, body, receipt, deliveries, sentAt, group, trace }) => ({
      messageId: id,
      receiptHandle: receipt,
      body,
      attributes: {
        ApproximateReceiveCount: String(deliveries),
        SentTimestamp: String(sentAt),
        SenderId: "emulated",
        ApproximateFirstReceiveTimestamp: "0",
        ...(group === undefined ? {} : { MessageGroupId: group }),
        ...(trace === undefined ? {} : { AWSTraceHeader: trace }),
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
  /** The `reason` of lines that have one. */
  readonly reasons: readonly string[];
  /** The `error` of lines that have one. */
  readonly errors: readonly Error[];
}

/** A log that keeps its messages. */
export function keepLog(): LogLines {
  const lines: string[] = [];
  const reasons: string[] = [];
  const errors: Error[] = [];
  const keep = (message: string, details: Record<string, unknown> = {}): void => {
    lines.push(message);
    if (typeof details.reason === "string") reasons.push(details.reason);
    if (details.error instanceof Error) errors.push(details.error);
  };
  return { lines, reasons, errors, info: keep, warn: keep, error: keep };
}

export interface KeptMetrics extends FleetMetrics {
  readonly sums: Readonly<Partial<Record<MetricName, number>>>;
  /** The last value of each run. */
  readonly ofRuns: ReadonlyMap<string, number>;
}

/** Metrics that are kept in memory when they are published. */
export function keepMetrics(): KeptMetrics {
  const added: [MetricName, number][] = [];
  const sums: Partial<Record<MetricName, number>> = {};
  const ofRuns = new Map<string, number>();
  return {
    sums,
    ofRuns,
    add: (name, value) => void added.push([name, value]),
    publishForRun: (runId, name, value) => void ofRuns.set(`${runId} ${name}`, value),
    publish() {
      for (const [name, value] of added.splice(0)) sums[name] = (sums[name] ?? 0) + value;
    },
  };
}
