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
  /** Lets so much of the queue's time pass. */
  pass(milliseconds: number): Promise<void>;
}

/** Every queue under test is opened with these. */
export const VISIBILITY_MILLISECONDS = 2_000;
export const MAX_DELIVERIES = 3;

const take = (queue: Queue, max = 10): Promise<readonly ReceivedMessage[]> =>
  queue.receive({ max, waitMilliseconds: 0 });
const bodies = async (queue: Queue, max = 10): Promise<string[]> =>
  (await take(queue, max)).map(({ body }) => body);

/** Bodies in the order in which they are handed out to somebody who acknowledges each before taking further ones. */
async function drain(queue: Queue, count: number): Promise<string[]> {
  const drained: string[] = [];
  while (drained.length < count) {
    const received = await take(queue);
    // A queue may hand out fewer than were asked for, but not none while there are some.
    if (received.length === 0) break;
    for (const { body, receipt } of received) {
      drained.push(body);
      await queue.acknowledge(receipt);
    }
  }
  return drained;
}

/** What every standard queue must do; run against each adapter. */
export function describeStandardQueue(adapter: string, open: () => Promise<QueueUnderTest>): void {
  describe(`standard queue: ${adapter}`, () => {
    test("hands out every message, at most as many as asked for", async () => {
      const { queue } = await open();
      await queue.send(["a", "b", "c"].map((body) => ({ body })));
      const first = await bodies(queue, 2);
      assert.equal(first.length, 2);
      assert.deepEqual([...first, ...(await bodies(queue))].sort(), ["a", "b", "c"]);
    });

    test("hides what was handed out until its visibility ends, then hands it out again", async () => {
      const { queue, pass } = await open();
      await queue.send([{ body: "a" }]);
      assert.equal((await take(queue))[0]?.deliveries, 1);
      assert.deepEqual(await bodies(queue), []);
      await pass(VISIBILITY_MILLISECONDS + 100);
      assert.equal((await take(queue))[0]?.deliveries, 2);
    });

    test("tells when it took a message, each time that it is handed out", async () => {
      const { queue, pass } = await open();
      await pass(10);
      await queue.send([{ body: "a" }]);
      const [first] = await take(queue);
      await pass(VISIBILITY_MILLISECONDS + 100);
      const [again] = await take(queue);
      assert.ok(Number.isInteger(first?.sentAt) && first!.sentAt > 0, `${first?.sentAt}`);
      assert.equal(again?.sentAt, first?.sentAt);
    });

    test("forgets what was acknowledged", async () => {
      const { queue, pass } = await open();
      await queue.send([{ body: "a" }]);
      const [message] = await take(queue);
      await queue.acknowledge(message?.receipt ?? "");
      await pass(VISIBILITY_MILLISECONDS + 100);
      assert.deepEqual(await bodies(queue), []);
    });

    test("keeps hidden what is still worked on, and takes back what is handed back", async () => {
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

    test("buries what nobody acknowledges", async () => {
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

    test("lets a waiting receiver go when it is told to", async () => {
      const { queue } = await open();
      const stop = new AbortController();
      const waiting = queue.receive({ max: 1, waitMilliseconds: 60_000, signal: stop.signal });
      stop.abort();
      assert.deepEqual(await waiting, []);
    });

    test("refuses what is too large, and sends none of the batch", async () => {
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

/** What every first-in-first-out queue must do; run against each adapter. */
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

    test("hands out nothing of a group while an earlier message is worked on", async () => {
      const { queue } = await open();
      await queue.send([message("1", "run"), message("2", "run")]);
      const [first] = await take(queue, 1);
      assert.equal(first?.body, "1");
      // Not before: which of two groups is served first is open.
      await queue.send([message("1", "other")]);
      assert.deepEqual(await bodies(queue), ["1"], "the other group is free");
      await queue.acknowledge(first?.receipt ?? "");
      assert.deepEqual(await bodies(queue), ["2"]);
    });

    test("hands a message that nobody acknowledged out again before later ones", async () => {
      const { queue, pass } = await open();
      await queue.send([message("1", "run"), message("2", "run")]);
      await take(queue, 1);
      await pass(VISIBILITY_MILLISECONDS + 100);
      assert.deepEqual(await drain(queue, 2), ["1", "2"]);
    });

    test("drops what was sent before under the same deduplication text", async () => {
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
