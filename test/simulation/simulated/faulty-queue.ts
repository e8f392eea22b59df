import { InProcessQueue, type InProcessQueueOptions } from "../../../shared/queues/in-process-queue.js";
import type {
  OutgoingMessage,
  Queue,
  ReceivedMessage,
  ReceiveOptions,
} from "../../../shared/queues/queue.js";
import type { RandomStream } from "../../../shared/search/numerics/random.js";
import type { Faults } from "../fault-plan.js";
import type { VirtualClock } from "./virtual-clock.js";

const MOST_DELAY_MILLISECONDS = 45_000;

/** A queue that loses, duplicates and delays messages, and so reorders them. */
export class FaultyQueue implements Queue {
  readonly #queue: InProcessQueue;
  readonly #clock: VirtualClock;
  readonly #random: RandomStream;
  readonly #faults: Faults;
  #copies = 0;

  /** @param onSent called for each message that reaches the queue, whatever happens to it there */
  constructor(
    options: InProcessQueueOptions,
    clock: VirtualClock,
    random: RandomStream,
    faults: Faults,
    private readonly onSent: (message: OutgoingMessage) => void = () => undefined,
  ) {
    this.#queue = new InProcessQueue({ ...options, clock });
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
  }

  async send(messages: readonly OutgoingMessage[]): Promise<void> {
    await this.#clock.sleep(10 * this.#random.uniform());
    if (this.#happens(this.#faults.sendFails / 2)) throw new Error("the queue did not answer");
    for (const message of messages) {
      this.onSent(message);
      if (this.#happens(this.#faults.messageLost)) continue;
      this.#deliver(message);
      if (this.#happens(this.#faults.messageDoubled))
        this.#deliver({ ...message, deduplication: `${message.deduplication} again ${++this.#copies}` });
    }
    if (this.#happens(this.#faults.sendFails / 2)) throw new Error("the queue did not answer");
  }

  /** Sends without faults, for messages of the simulation itself. */
  sendSafely(message: OutgoingMessage): Promise<void> {
    return this.#queue.send([message]);
  }

  receive(options: ReceiveOptions): Promise<readonly ReceivedMessage[]> {
    return this.#queue.receive(options);
  }

  acknowledge(receipt: string): Promise<void> {
    return this.#queue.acknowledge(receipt);
  }

  changeVisibility(receipt: string, milliseconds: number): Promise<void> {
    return this.#queue.changeVisibility(receipt, milliseconds);
  }

  #deliver(message: OutgoingMessage): void {
    const delayed = this.#happens(this.#faults.messageDelayed);
    const delay = delayed ? MOST_DELAY_MILLISECONDS * this.#random.uniform() ** 3 : 0;
    void this.#clock.sleep(delay).then(() => this.#queue.send([message]));
  }

  #happens(probability: number): boolean {
    return this.#random.uniform() < probability;
  }
}
