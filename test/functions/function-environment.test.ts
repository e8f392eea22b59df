import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openFunctionEnvironment } from "../../functions/function-environment.js";
import { type S3Server, startS3Server } from "../emulated/aws/s3-server.js";
import { startSqsServer } from "../emulated/aws/sqs-server.js";
import { startSilentOnce } from "./silent-once.js";

const queue = (name: string): string => `https://sqs.us-east-1.amazonaws.com/0/${name}`;
const AWS = {
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "none",
  AWS_SECRET_ACCESS_KEY: "none",
};
/** Longer than the socket time-out of a function's clients. */
const SLOW_MILLISECONDS = 6_000;
const originalEnvironment = { ...process.env };
let server: S3Server;

before(async () => {
  server = await startS3Server();
  Object.assign(process.env, AWS, { AWS_ENDPOINT_URL_S3: server.endpoint });
});
after(async () => {
  process.env = originalEnvironment;
  await server.close();
});

const open = (events = queue("events.fifo")) =>
  openFunctionEnvironment("test", {
    QUANTFLEET_BUCKET: "runs",
    QUANTFLEET_JOBS_URL: queue("jobs"),
    QUANTFLEET_STATISTICS_URL: queue("statistics"),
    QUANTFLEET_EVENTS_URL: events,
    QUANTFLEET_DEAD_LETTERS_URL: queue("dead.fifo"),
    QUANTFLEET_SCHEDULE_GROUP: "fleet",
    QUANTFLEET_FLEET: "fleet",
  });

test("a function's store repeats writes that collided with another, which the AWS SDK does not", async () => {
  const { store } = open();
  server.failNext(409, 409);
  await store.put("claims/1", Buffer.from("{}"), { ifNoneMatch: true });
  assert.equal((await store.get("claims/1"))?.body.length, 2);
});

test("a function gives up a connection without an answer, and repeats its call on another", {
  timeout: 60_000,
}, async () => {
  const sqs = await startSqsServer();
  const [silentStore, silentQueue] = await Promise.all([
    startSilentOnce(server.endpoint),
    startSilentOnce(sqs.endpoint),
  ]);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_S3: silentStore.endpoint,
    AWS_ENDPOINT_URL_SQS: silentQueue.endpoint,
  });
  try {
    const { url } = await sqs.createQueue("events", {});
    const { store, events } = open(url);
    await Promise.all([store.put("claims/2", Buffer.from("{}")), events.send([{ body: "received" }])]);
    assert.deepEqual([silentStore.connections(), silentQueue.connections()], [2, 2]);
    const received = await events.receive({ max: 1, waitMilliseconds: 0 });
    assert.deepEqual(
      received.map(({ body }) => body),
      ["received"],
    );
  } finally {
    await Promise.all([silentStore.close(), silentQueue.close(), sqs.close()]);
  }
});

test("a function's transfer may take longer than the time-out while data is moving", {
  timeout: 60_000,
}, async () => {
  const body = Buffer.alloc(16 * 2 ** 20);
  let received = 0;
  const slow = createServer(async (request, response) => {
    for await (const chunk of request) {
      received += (chunk as Buffer).length;
      await sleep(SLOW_MILLISECONDS * ((chunk as Buffer).length / body.length));
    }
    response.writeHead(200, { etag: '"slow"' }).end();
  });
  await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
  process.env.AWS_ENDPOINT_URL_S3 = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  assert.equal(await open().store.put("statistics/1", body), '"slow"');
  assert.equal(received, body.length);
  slow.closeAllConnections();
  slow.close();
});

test("a function's log lines name the invocation, and errors include their stack trace", async ({ mock }) => {
  const { log, logged } = open();
  const written: string[] = [];
  const keep = (text: string | Uint8Array): boolean => written.push(String(text)) > 0;
  const streams = [process.stdout, process.stderr].map((stream) => mock.method(stream, "write", keep));
  const handler = logged(async (reason: string) =>
    log.error("not done", { reason, error: new Error("inside") }),
  );
  await handler("why", { awsRequestId: "first" });
  await handler("why", { awsRequestId: "second" });
  for (const stream of streams) stream.mock.restore();
  const lines = written.filter((line) => line.includes("not done")).map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ function_request_id, reason }) => [function_request_id, reason]),
    [
      ["first", "why"],
      ["second", "why"],
    ],
  );
  assert.match(lines[0].error.stack, /function-environment\.test/);
});
