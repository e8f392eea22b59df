/** A message to send. `group` and `deduplication` are for first-in-first-out queues, which need both. */
export interface OutgoingMessage {
  readonly body: string;
  /** Messages of a group are handed out in order, and none while an earlier one is being worked on. */
  readonly group?: string;
  /** A message with the same text here is dropped if it was sent within the last five minutes. */
  readonly deduplication?: string;
  /** How long the message stays hidden at first; standard queues only. */
  readonly delayMilliseconds?: number;
}

export interface ReceivedMessage {
  readonly id: string;
  readonly body: string;
  /** What acknowledges this very delivery. */
  readonly receipt: string;
  /** How often it was handed out, this time included. */
  readonly deliveries: number;
  /** When the queue took the message, by the queue's clock; milliseconds. */
  readonly sentAt: number;
  readonly group?: string;
}

export interface ReceiveOptions {
  readonly max: number;
  /** How long to wait for a first message. */
  readonly waitMilliseconds: number;
  readonly signal?: AbortSignal;
}

/**
 * Between coordinator and workers: SQS (standard and FIFO) or within the process. Every adapter passes the
 * conformance suite in test/queues.
 *
 * A message that was handed out is hidden from others until its visibility ends; if it has not been
 * acknowledged by then, it is handed out again, and after the queue's limit of deliveries goes to its
 * dead-letter queue. So each message is delivered at least once; a standard queue may double and reorder them.
 */
export interface Queue {
  /** @throws MessageTooLargeError before anything is sent */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
  /** Up to `max` messages; none when the wait ended or the signal was given. */
  receive(options: ReceiveOptions): Promise<readonly ReceivedMessage[]>;
  /** The message is done with. A receipt whose visibility has ended is ignored if the message was handed out again. */
  acknowledge(receipt: string): Promise<void>;
  /** Hides the message from now on for that long; 0 hands it back at once. */
  changeVisibility(receipt: string, milliseconds: number): Promise<void>;
}

/** What SQS takes: 1 MiB (runtime-facts.md, "AWS"). */
export const DEFAULT_MAX_MESSAGE_BYTES = 1_048_576;

export class MessageTooLargeError extends Error {
  override readonly name = "MessageTooLargeError";
  constructor(
    readonly bytes: number,
    readonly limit: number,
  ) {
    super(
      `A message of ${bytes} bytes is over the queue's ${limit}; spread the evaluation over more shards.`,
    );
  }
}
