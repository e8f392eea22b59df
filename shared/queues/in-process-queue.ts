import { type Clock, systemClock } from "./clock.js";
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  MessageTooLargeError,
  type OutgoingMessage,
  type Queue,
  type ReceivedMessage,
  type ReceiveOptions,
} from "./queue.js";

/**
 * Time during which a FIFO queue drops a message with an equal deduplication text; as long as that of SQS.
 */
const DEDUPLICATION_MILLISECONDS = 300_000;

export interface InProcessQueueOptions {
  readonly kind: "standard" | "fifo";
  /** How long a delivered message stays hidden from other receivers. */
  readonly visibilityMilliseconds: number;
  /**
   * Number of deliveries without acknowledgement after which a message moves to `deadLetter`; unlimited when
   * absent.
   */
  readonly maxDeliveries?: number;
  readonly deadLetter?: Queue;
  readonly maxMessageBytes?: number;
  readonly clock?: Clock;
}

interface Entry {
  readonly id: string;
  readonly message: OutgoingMessage;
  readonly sentAt: number;
  deliveries: number;
  visibleAt: number;
  receipt: string | undefined;
}

/** A queue inside the process that follows the delivery rules of SQS. */
export class InProcessQueue implements Queue {
  readonly #options: InProcessQueueOptions;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #byReceipt = new Map<string, Entry>();
  readonly #deduplicated = new Map<string, number>();
  #waiting = new Set<() => void>();
  #count = 0;

  constructor(options: InProcessQueueOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    const limit = this.#options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    for (const { body } of messages) {
      const bytes = Buffer.byteLength(body);
      if (bytes > limit) throw new MessageTooLargeError(bytes, limit);
    }
    for (const message of messages) this.#add(message);
    this.#wake();
  }

  async receive({ max, waitMilliseconds, signal }: ReceiveOptions): Promise<readonly ReceivedMessage[]> {
    const until = this.#clock.now() + waitMilliseconds;
    for (;;) {
      const received = this.#take(max);
      const left = until - this.#clock.now();
      if (received.length > 0 || left <= 0 || signal?.aborted) return received;
      await this.#change(Math.min(left, this.#untilNextVisible()), signal);
    }
  }

  async acknowledge(receipt: string): Promise<void> {
    const entry = this.#byReceipt.get(receipt);
    if (entry === undefined) return;
    this.#forget(entry);
    this.#wake();
  }

  async changeVisibility(receipt: string, milliseconds: number): Promise<void> {
    const entry = this.#byReceipt.get(receipt);
    if (entry === undefined) return;
    entry.visibleAt = this.#clock.now() + milliseconds;
    this.#wake();
  }

  #add(message: OutgoingMessage): void {
    const now = this.#clock.now();
    if (this.#options.kind === "fifo") {
      if (message.group === undefined || message.deduplication === undefined)
        throw new TypeError(
          "a message for a first-in-first-out queue needs a group and a deduplication text",
        );
      if (this.#isRepeated(message.deduplication, now)) return;
    }
    const entry: Entry = {
      id: `${++this.#count}`,
      message,
      sentAt: now,
      deliveries: 0,
      visibleAt: now + (message.delayMilliseconds ?? 0),
      receipt: undefined,
    };
    this.#entries.set(entry.id, entry);
  }

  #isRepeated(deduplication: string, now: number): boolean {
    for (const [text, at] of this.#deduplicated) {
      if (at > now - DEDUPLICATION_MILLISECONDS) break;
      this.#deduplicated.delete(text);
    }
    if (this.#deduplicated.has(deduplication)) return true;
    this.#deduplicated.set(deduplication, now);
    return false;
  }

  #take(max: number): readonly ReceivedMessage[] {
    const now = this.#clock.now();
    const blocked = new Set<string>();
    const received: ReceivedMessage[] = [];
    // As in SQS, a hidden message blocks its whole group, but one call may receive several messages of a
    // group.
    for (const entry of this.#entries.values())
      if (entry.visibleAt > now && entry.message.group !== undefined) blocked.add(entry.message.group);
    for (const entry of this.#entries.values()) {
      if (received.length >= max) break;
      if (entry.visibleAt > now) continue;
      if (
        entry.message.group !== undefined &&
        this.#options.kind === "fifo" &&
        blocked.has(entry.message.group)
      )
        continue;
      if (entry.deliveries >= (this.#options.maxDeliveries ?? Number.POSITIVE_INFINITY))
        this.#moveToDeadLetters(entry);
      else received.push(this.#deliver(entry, now));
    }
    return received;
  }

  #deliver(entry: Entry, now: number): ReceivedMessage {
    if (entry.receipt !== undefined) this.#byReceipt.delete(entry.receipt);
    entry.deliveries++;
    entry.visibleAt = now + this.#options.visibilityMilliseconds;
    entry.receipt = `${entry.id}/${entry.deliveries}`;
    this.#byReceipt.set(entry.receipt, entry);
    const { body, group } = entry.message;
    const { id, receipt, deliveries, sentAt } = entry;
    return { id, body, receipt, deliveries, sentAt, ...(group === undefined ? {} : { group }) };
  }

  #moveToDeadLetters(entry: Entry): void {
    this.#forget(entry);
    void this.#options.deadLetter?.send([entry.message]);
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.id);
    if (entry.receipt !== undefined) this.#byReceipt.delete(entry.receipt);
  }

  #untilNextVisible(): number {
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const { visibleAt } of this.#entries.values())
      if (visibleAt > now) next = Math.min(next, visibleAt - now);
    return next;
  }

  async #change(atMost: number, signal: AbortSignal | undefined): Promise<void> {
    const over = new AbortController();
    // An explicit reason for the abort, because creating the default one (an exception with a stack trace) is
    // the most expensive part.
    const end = (): void => over.abort("over");
    this.#waiting.add(end);
    signal?.addEventListener("abort", end, { once: true });
    try {
      await this.#clock.sleep(atMost, over.signal);
    } finally {
      this.#waiting.delete(end);
      signal?.removeEventListener("abort", end);
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const end of waiting) end();
  }
}
