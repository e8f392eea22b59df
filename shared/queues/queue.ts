/** A message to send. First-in-first-out queues require `group` and `deduplication`. */
export interface OutgoingMessage {
  readonly body: string;
  /**
   * Name of the message's group: messages of a group are delivered in order, and none while an earlier one of
   * the group is hidden.
   */
  readonly group?: string;
  /** A message with an equal deduplication text sent within the last five minutes is dropped. */
  readonly deduplication?: string;
  /** Delay before the first delivery; standard queues only. */
  readonly delayMilliseconds?: number;
}

export interface ReceivedMessage {
  readonly id: string;
  readonly body: string;
  /** Handle that acknowledges this delivery. */
  readonly receipt: string;
  /** Number of deliveries so far, this one included. */
  readonly deliveries: number;
  /** When the queue accepted the message, in milliseconds since the epoch by the queue's clock. */
  readonly sentAt: number;
  readonly group?: string;
}

export interface ReceiveOptions {
  readonly max: number;
  /** Maximum time to wait for a first message; 0 returns immediately. */
  readonly waitMilliseconds: number;
  readonly signal?: AbortSignal;
}

/**
 * A message queue between coordinator and workers: SQS (standard and FIFO) or inside the process. Every
 * adapter passes the conformance suite in test/queues.
 *
 * A delivered message is hidden until its visibility timeout ends. If it has not been acknowledged by then,
 * it is delivered again, and after the queue's maximum number of deliveries it moves to the dead-letter
 * queue. So delivery is at least once; a standard queue may duplicate and reorder messages.
 */
export interface Queue {
  /**
   * Sends messages.
   *
   * @throws MessageTooLargeError before anything is sent
   */
  send(messages: readonly OutgoingMessage[]): Promise<void>;
  /** Receives up to `max` messages; none if the wait ended or the signal was aborted. */
  receive(options: ReceiveOptions): Promise<readonly ReceivedMessage[]>;
  /**
   * Deletes a message that has been processed. An outdated receipt, whose message was delivered again, is
   * ignored.
   */
  acknowledge(receipt: string): Promise<void>;
  /** Hides a delivered message for that many milliseconds from now; 0 makes it visible immediately. */
  changeVisibility(receipt: string, milliseconds: number): Promise<void>;
}

/** The maximum message size of SQS, 1 MiB. */
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
