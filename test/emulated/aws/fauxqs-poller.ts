import type { buildApp } from "fauxqs";
import * as z from "zod";
import type { Queue, ReceivedMessage, ReceiveOptions } from "../../../shared/queues/queue.js";
import { TRACE_HEADER } from "./invocation-chain.js";

export interface PolledMessage extends ReceivedMessage {
  /** The trace header of the call that sent the message. */
  readonly trace?: string;
}

/** The operations of Lambda's event source on a queue. */
export interface PolledQueue extends Pick<Queue, "acknowledge"> {
  receive(options: ReceiveOptions): Promise<readonly PolledMessage[]>;
}

const receivedSchema = z.object({
  Messages: z
    .array(
      z.object({
        MessageId: z.string(),
        Body: z.string(),
        ReceiptHandle: z.string(),
        Attributes: z.object({
          ApproximateReceiveCount: z.coerce.number(),
          MessageGroupId: z.string().optional(),
          SentTimestamp: z.coerce.number(),
        }),
        MessageAttributes: z
          .object({ [TRACE_HEADER]: z.object({ StringValue: z.string() }).optional() })
          .default({}),
      }),
    )
    .default([]),
});

/**
 * A queue of fauxqs, accessed from its own process by SQS's JSON protocol without a connection. Pollers of
 * Lambda use no processor time of the functions, while calls by HTTP with the SDK took a quarter of a short
 * trial's time.
 */
export class FauxqsPoller implements PolledQueue {
  constructor(
    private readonly app: ReturnType<typeof buildApp>,
    private readonly url: string,
  ) {}

  async receive({ max, waitMilliseconds, signal }: ReceiveOptions): Promise<readonly PolledMessage[]> {
    const answer = this.#call("ReceiveMessage", {
      MaxNumberOfMessages: max,
      WaitTimeSeconds: Math.ceil(waitMilliseconds / 1_000),
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp"],
      MessageAttributeNames: [TRACE_HEADER],
    });
    // Messages received after the abort are redelivered when their visibility timeout ends.
    const received = await untilAborted(answer, signal);
    if (received === undefined) return [];
    const { statusCode, payload } = received;
    if (statusCode !== 200) throw new PollError("ReceiveMessage", statusCode, payload);
    const { Messages } = receivedSchema.parse(JSON.parse(payload));
    return Messages.map(({ MessageId, Body, ReceiptHandle, Attributes, MessageAttributes }) => {
      const { ApproximateReceiveCount, MessageGroupId, SentTimestamp: sentAt } = Attributes;
      const trace = MessageAttributes[TRACE_HEADER]?.StringValue;
      return {
        id: MessageId,
        body: Body,
        receipt: ReceiptHandle,
        deliveries: ApproximateReceiveCount,
        sentAt,
        ...(MessageGroupId === undefined ? {} : { group: MessageGroupId }),
        ...(trace === undefined ? {} : { trace }),
      };
    });
  }

  async acknowledge(receipt: string): Promise<void> {
    const { statusCode, payload } = await this.#call("DeleteMessage", { ReceiptHandle: receipt });
    // An outdated receipt means that the message was delivered to another receiver or deleted.
    if (statusCode !== 200 && statusCode !== 400) throw new PollError("DeleteMessage", statusCode, payload);
  }

  #call(
    action: string,
    parameters: object,
  ): Promise<{ readonly statusCode: number; readonly payload: string }> {
    return this.app.inject({
      method: "POST",
      url: "/",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `AmazonSQS.${action}` },
      payload: JSON.stringify({ QueueUrl: this.url, ...parameters }),
    });
  }
}

class PollError extends Error {
  constructor(action: string, statusCode: number, payload: string) {
    super(`fauxqs answered ${action} with ${statusCode}: ${payload}`);
  }
}

async function untilAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result | undefined> {
  if (signal === undefined) return work;
  const listening = new AbortController();
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { signal: listening.signal });
  });
  return Promise.race([work, aborted]).finally(() => listening.abort());
}
