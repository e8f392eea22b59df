import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  MessageTooLargeError,
  type OutgoingMessage,
  type Queue,
  type ReceivedMessage,
} from "../../shared/queues/queue.js";

export interface QueueUnderTest {
  readonly queue: Queue;
  readonly deadLetter: Queue;
  /** Advances the queue's time. */
  pass(milliseconds: number): Promise<void>;
}

/** Settings that every queue under test is opened with. */
export const VISIBILITY_MILLISECONDS = 2_000;
export const MAX_DELIVERIES = 3;

const take = (queue: Queue, max = 10): Promise<readonly ReceivedMessage[]> =>
  queue.receive({ max, waitMilliseconds: 0 });
const bodies = async (queue: Queue, max = 10): Promise<string[]> =>
  (await take(queue, max)).map(({ body }) => body);

/** Bodies in the order of delivery to a receiver that acknowledges each before receiving further ones. */
async function drain(queue: Queue, count: number): Promise<string[]> {
  const drained: string[] = [];
  while (drained.length < count) {
    const received = await take(queue);
    // A queue may deliver fewer messages than requested, but at least one if there are any.
    if (received.length === 0) break;
    for (const { body, receipt } of received) {
      drained.push(body);
      await queue.acknowledge(receipt);
    }
  }
  return drained;
}

/** Conformance suite of standard queues, run against each adapter. */
export function describeStandardQueue(adapter: string, open: () => Promise<QueueUnderTest>): void {
  describe(`standard queue: ${adapter}`, () => {
    test("delivers every message, at most as many per call as requested", async () => {
      const { queue } = await open();
      await queue.send(["a", "b", "c"].map((body) => ({ body })));
      const first = await bodies(queue, 2);
      assert.equal(first.length, 2);
      assert.deepEqual([...first, ...(await bodies(queue))].sort(), ["a", "b", "c"]);
    });

    test("hides a delivered message until its visibility timeout ends, then delivers it again", async () => {
      const { queue, pass } = await open();
      await queue.send([{ body: "a" }]);
      assert.equal((await take(queue))[0]?.deliveries, 1);
      assert.deepEqual(await bodies(queue), []);
      await pass(VISIBILITY_MILLISECONDS + 100);
      assert.equal((await take(queue))[0]?.deliveries, 2);
    });

    test("returns the time when it accepted a message with each delivery", async () => {
      const { queue, pass } = await open();
      await pass(10);
      await queue.send([{ body: "a" }]);
      const [first] = await take(queue);
      await pass(VISIBILITY_MILLISECONDS + 100);
      const [again] = await take(queue);
      assert.ok(Number.isInteger(first?.sentAt) && first!.sentAt > 0, `${first?.sentAt}`);
      assert.equal(again?.sentAt, first?.sentAt);
    });

    test("never delivers an acknowledged message again", async () => {
      const { queue, pass } = await open();
      await queue.send([{ body: "a" }]);
      const [message] = await take(queue);
      await queue.acknowledge(message?.receipt ?? "");
      await pass(VISIBILITY_MILLISECONDS + 100);
      assert.deepEqual(await bodies(queue), []);
    });

    test("extends and ends visibility timeouts", async () => {
      const { queue, pass } = await open();
      await queue.send([{ body: "a" }]);
      const [message] = await take(queue);
      await pass(VISIBILITY_MILLISECONDS / 2);
      await queue.changeVisibility(message?.receipt ?? "", 2 * VISIBILITY_MILLISECONDS);
      await pass(VISIBILITY_MILLISECONDS);
      assert.deepEqual(await bodies(queue), []);
      await queue.changeVisibility(message?.receipt ?? "", 0);
      assert.deepEqual(await bodies(queue), ["a"]);
    });

    test("hides a delayed message at first", async () => {
      const { queue, pass } = await open();
      await queue.send([{ body: "a", delayMilliseconds: 1_000 }]);
      assert.deepEqual(await bodies(queue), []);
      await pass(1_100);
      assert.deepEqual(await bodies(queue), ["a"]);
    });

    test("moves a message that is never acknowledged to the dead-letter queue", async () => {
      const { queue, deadLetter, pass } = await open();
      await queue.send([{ body: "poison" }]);
      for (let delivery = 1; delivery <= MAX_DELIVERIES; delivery++) {
        assert.deepEqual(await bodies(queue), ["poison"]);
        await pass(VISIBILITY_MILLISECONDS + 100);
      }
      assert.deepEqual(await bodies(queue), []);
      assert.deepEqual(await bodies(deadLetter), ["poison"]);
    });

    test("wakes a waiting receiver when a message comes", async () => {
      const { queue } = await open();
      const waiting = queue.receive({ max: 1, waitMilliseconds: 5_000 });
      await queue.send([{ body: "a" }]);
      assert.equal((await waiting)[0]?.body, "a");
    });

    test("returns from a wait when the signal is aborted", async () => {
      const { queue } = await open();
      const stop = new AbortController();
      const waiting = queue.receive({ max: 1, waitMilliseconds: 60_000, signal: stop.signal });
      stop.abort();
      assert.deepEqual(await waiting, []);
    });

    test("refuses a batch with a message that is too large, and sends none of it", async () => {
      const { queue } = await open();
      const batch = [{ body: "small" }, { body: "x".repeat(1_048_577) }];
      await assert.rejects(queue.send(batch), MessageTooLargeError);
      assert.deepEqual(await bodies(queue), []);
    });

    test("sends more messages than a batch of SQS holds", async () => {
      const { queue } = await open();
      const sent = Array.from({ length: 25 }, (_, i) => `${i}`);
      await queue.send(sent.map((body) => ({ body })));
      const received: string[] = [];
      for (let round = 0; round < 20 && received.length < sent.length; round++)
        received.push(...(await bodies(queue)));
      assert.deepEqual(received.sort(), sent.sort());
    });
  });
}

/** Conformance suite of FIFO queues, run against each adapter. */
export function describeFifoQueue(adapter: string, open: () => Promise<QueueUnderTest>): void {
  const message = (body: string, group: string): OutgoingMessage => ({
    body,
    group,
    deduplication: `${group}/${body}`,
  });

  describe(`first-in-first-out queue: ${adapter}`, () => {
    test("keeps the order within a group", async () => {
      const { queue } = await open();
      await queue.send(["1", "2", "3"].map((body) => message(body, "run")));
      assert.deepEqual(await drain(queue, 3), ["1", "2", "3"]);
    });

    test("delivers no message of a group while an earlier one is hidden", async () => {
      const { queue } = await open();
      await queue.send([message("1", "run"), message("2", "run")]);
      const [first] = await take(queue, 1);
      assert.equal(first?.body, "1");
      // Sent only now, because the order between groups is undefined.
      await queue.send([message("1", "other")]);
      assert.deepEqual(await bodies(queue), ["1"], "the other group is free");
      await queue.acknowledge(first?.receipt ?? "");
      assert.deepEqual(await bodies(queue), ["2"]);
    });

    test("delivers an unacknowledged message again before later ones", async () => {
      const { queue, pass } = await open();
      await queue.send([message("1", "run"), message("2", "run")]);
      await take(queue, 1);
      await pass(VISIBILITY_MILLISECONDS + 100);
      assert.deepEqual(await drain(queue, 2), ["1", "2"]);
    });

    test("drops a message with a repeated deduplication text", async () => {
      const { queue } = await open();
      await queue.send([message("1", "run")]);
      await queue.send([message("1", "run"), message("2", "run")]);
      assert.deepEqual(await drain(queue, 3), ["1", "2"]);
    });

    test("refuses a message without group or deduplication text", async () => {
      const { queue } = await open();
      await assert.rejects(queue.send([{ body: "1" }]));
    });
  });
}
