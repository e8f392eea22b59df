import { createHash } from "node:crypto";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  type SQSClient,
  SQSServiceException,
} from "@aws-sdk/client-sqs";
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  MessageTooLargeError,
  type OutgoingMessage,
  type Queue,
  type ReceivedMessage,
  type ReceiveOptions,
} from "./queue.js";

/** Maximum number of messages per call of SQS. */
const MAX_BATCH = 10;
/** Maximum size in bytes of all messages of a batch together, equal to that of one message. */
const MAX_BATCH_BYTES = DEFAULT_MAX_MESSAGE_BYTES;
const MAX_WAIT_SECONDS = 20;
const MAX_DELAY_SECONDS = 900;
const MAX_VISIBILITY_SECONDS = 43_200;
/** Maximum number of attempts to send the messages of a batch that SQS refused through a fault of its own. */
const SEND_ATTEMPTS = 5;

export interface SqsQueueOptions {
  readonly client: SQSClient;
  readonly url: string;
}

/** An SQS queue, standard or FIFO. */
export class SqsQueue implements Queue {
  readonly #client: SQSClient;
  readonly #url: string;

  constructor({ client, url }: SqsQueueOptions) {
    this.#client = client;
    this.#url = url;
  }

  /**
   * Sends messages in batches.
   *
   * @throws MessagesRefusedError if SQS accepted only a part of a batch in every attempt
   */
  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    for (const batch of toBatches(messages)) await this.#sendBatch(batch);
  }

  async receive({ max, waitMilliseconds, signal }: ReceiveOptions): Promise<readonly ReceivedMessage[]> {
    let left = Math.ceil(waitMilliseconds / 1_000);
    for (;;) {
      if (signal?.aborted) return [];
      const wait = Math.min(left, MAX_WAIT_SECONDS);
      const received = await this.#receiveOnce(max, wait, signal);
      left -= wait;
      if (received.length > 0 || left <= 0) return received;
    }
  }

  async acknowledge(receipt: string): Promise<void> {
    const command = new DeleteMessageCommand({ QueueUrl: this.#url, ReceiptHandle: receipt });
    await ignoringOutdated(this.#client.send(command));
  }

  async changeVisibility(receipt: string, milliseconds: number): Promise<void> {
    const command = new ChangeMessageVisibilityCommand({
      QueueUrl: this.#url,
      ReceiptHandle: receipt,
      VisibilityTimeout: Math.min(Math.ceil(milliseconds / 1_000), MAX_VISIBILITY_SECONDS),
    });
    await ignoringOutdated(this.#client.send(command));
  }

  async #sendBatch(messages: readonly OutgoingMessage[]): Promise<void> {
    let entries = messages.map(toEntry);
    for (let attempt = 1; ; attempt++) {
      const { Failed = [] } = await this.#client.send(
        new SendMessageBatchCommand({ QueueUrl: this.#url, Entries: entries }),
      );
      if (Failed.length === 0) return;
      const isOurFault = Failed.some(({ SenderFault }) => SenderFault);
      if (isOurFault || attempt === SEND_ATTEMPTS)
        throw new MessagesRefusedError(Failed.length, entries.length, Failed[0]?.Message ?? Failed[0]?.Code);
      const failed = new Set(Failed.map(({ Id }) => Id));
      entries = entries.filter(({ Id }) => failed.has(Id));
    }
  }

  async #receiveOnce(
    max: number,
    waitSeconds: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly ReceivedMessage[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl: this.#url,
      MaxNumberOfMessages: Math.min(max, MAX_BATCH),
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp"],
    });
    try {
      const { Messages = [] } = await this.#client.send(
        command,
        signal === undefined ? {} : { abortSignal: signal },
      );
      return Messages.map(toReceived);
    } catch (error) {
      if (signal?.aborted) return [];
      throw error;
    }
  }
}

export class MessagesRefusedError extends Error {
  override readonly name = "MessagesRefusedError";
  constructor(
    readonly refused: number,
    readonly sent: number,
    reason: string | undefined,
  ) {
    super(
      `The queue refused ${refused} of ${sent} messages (${reason ?? "no reason given"}); send them again.`,
    );
  }
}

function toBatches(messages: readonly OutgoingMessage[]): readonly OutgoingMessage[][] {
  const batches: OutgoingMessage[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const size = Buffer.byteLength(message.body);
    if (size > DEFAULT_MAX_MESSAGE_BYTES) throw new MessageTooLargeError(size, DEFAULT_MAX_MESSAGE_BYTES);
    const last = batches.at(-1);
    bytes += size;
    if (last !== undefined && last.length < MAX_BATCH && bytes <= MAX_BATCH_BYTES) last.push(message);
    else {
      batches.push([message]);
      bytes = size;
    }
  }
  return batches;
}

function toEntry(message: OutgoingMessage, index: number): SendMessageBatchRequestEntry {
  const { body, group, deduplication, delayMilliseconds } = message;
  return {
    Id: `${index}`,
    MessageBody: body,
    ...(group === undefined ? {} : { MessageGroupId: group }),
    // The deduplication text is hashed, because SQS allows at most 128 characters of a restricted alphabet.
    ...(deduplication === undefined
      ? {}
      : { MessageDeduplicationId: createHash("sha256").update(deduplication).digest("hex") }),
    ...(delayMilliseconds === undefined
      ? {}
      : { DelaySeconds: Math.min(Math.ceil(delayMilliseconds / 1_000), MAX_DELAY_SECONDS) }),
  };
}

function toReceived({ MessageId, Body, ReceiptHandle, Attributes }: Message): ReceivedMessage {
  const group = Attributes?.MessageGroupId;
  return {
    id: MessageId ?? "",
    body: Body ?? "",
    receipt: ReceiptHandle ?? "",
    deliveries: Number(Attributes?.ApproximateReceiveCount ?? 1),
    sentAt: Number(Attributes?.SentTimestamp ?? 0),
    ...(group === undefined ? {} : { group }),
  };
}

const OUTDATED = ["MessageNotInflight", "ReceiptHandleIsInvalid"];
/**
 * Message of the error for a receipt whose message is deleted or, in a FIFO queue, visible again ("The
 * receipt handle has expired"). Its error code is also used for invalid parameters.
 */
const OUTDATED_PARAMETER = /parameter ReceiptHandle is invalid/i;

/** Ignores the error for an outdated receipt: the message was delivered to another receiver or deleted. */
async function ignoringOutdated(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof SQSServiceException && isOutdated(error))) throw error;
  }
}

function isOutdated({ name, message }: SQSServiceException): boolean {
  return (
    OUTDATED.includes(name) || (name.startsWith("InvalidParameterValue") && OUTDATED_PARAMETER.test(message))
  );
}
