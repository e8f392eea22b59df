import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PreconditionFailedError, StoreUnavailableError } from "../../shared/storage/errors.js";
import { type ByteSource, partBytesOf, S3ObjectStore } from "../../shared/storage/s3-store.js";
import { type S3Server, startS3Server } from "../emulated/aws/s3-server.js";
import { describeObjectStore } from "./object-store-conformance.js";

const servers: S3Server[] = [];

async function open(partBytes?: number): Promise<S3ObjectStore> {
  const server = await startS3Server();
  servers.push(server);
  const { client } = server;
  return new S3ObjectStore({ client, bucket: "runs", ...(partBytes === undefined ? {} : { partBytes }) });
}

after(() => Promise.all(servers.map((server) => server.close())));

describeObjectStore("S3", () => open());

describe("S3", () => {
  let server: S3Server;
  let store: S3ObjectStore;
  before(async () => {
    store = await open(4);
    server = servers.at(-1) as S3Server;
  });

  test("a large object is uploaded in parts and read back complete", async () => {
    const body = Uint8Array.from({ length: 23 }, (_, i) => i);
    const etag = await store.put("large", body);
    assert.match(etag, /-6"$/);
    assert.deepEqual(Uint8Array.from((await store.get("large"))?.body ?? []), body);
    assert.equal(server.openUploads, 0);
  });

  test("a source is read sequentially piece by piece, and progress is reported", async () => {
    const body = Uint8Array.from({ length: 23 }, (_, i) => i);
    const reads: [number, number][] = [];
    const sent: number[] = [];
    const source: ByteSource = {
      bytes: body.byteLength,
      async read(start, end) {
        reads.push([start, end]);
        return body.slice(start, end);
      },
    };
    await store.putFrom("streamed", source, { onSent: (bytes) => sent.push(bytes) });
    assert.deepEqual(Uint8Array.from((await store.get("streamed"))?.body ?? []), body);
    assert.deepEqual(
      reads,
      [0, 4, 8, 12, 16, 20].map((start) => [start, Math.min(start + 4, 23)]),
    );
    assert.equal(sent.length, 6);
    assert.equal(sent.at(-1), 23);
    assert.deepEqual(
      sent,
      [...sent].sort((a, b) => a - b),
    );
  });

  test("an upload whose checksum is wrong, or that has none, is refused", async () => {
    for (const headers of [new Headers({ "x-amz-checksum-crc32": "AAAAAA==" }), new Headers()]) {
      const url = `${server.endpoint}/runs/spoilt`;
      const response = await fetch(url, { method: "PUT", body: "spoilt on its way", headers });
      assert.equal(response.status, 400);
      assert.match(await response.text(), /BadDigest|InvalidRequest/);
      assert.equal(await store.has("spoilt"), false);
    }
  });

  test("a source that cannot be read to its end is not stored, and its parts are removed", async () => {
    const source: ByteSource = {
      bytes: 23,
      async read(start, end) {
        if (start >= 16) throw new Error("unreadable");
        return new Uint8Array(end - start);
      },
    };
    await assert.rejects(store.putFrom("half", source), /unreadable/);
    assert.equal(await store.has("half"), false);
    assert.equal(server.openUploads, 0);
  });

  test("conditions hold for multipart uploads, whose parts are removed if they fail", async () => {
    const etag = await store.put("swapped", Buffer.from("first version"));
    await assert.rejects(
      store.put("swapped", Buffer.from("second version"), { ifNoneMatch: true }),
      PreconditionFailedError,
    );
    assert.equal(server.openUploads, 0);
    await store.put("swapped", Buffer.from("third version"), { ifMatch: etag });
    assert.equal(Buffer.from((await store.get("swapped"))?.body ?? []).toString(), "third version");
  });

  test("an empty range, and one beyond the end, have no bytes", async () => {
    await store.put("ten", Buffer.from("0123456789"));
    assert.equal((await store.get("ten", { start: 4, end: 4 }))?.body.length, 0);
    assert.equal((await store.get("ten", { start: 10, end: 20 }))?.body.length, 0);
    assert.equal(await store.get("absent", { start: 4, end: 4 }), undefined);
  });

  test("knows without reading whether an object is there", async () => {
    await store.put("present", Buffer.from("x"));
    assert.equal(await store.has("present"), true);
    assert.equal(await store.has("absent"), false);
  });

  test("repeats unanswered calls, and throws StoreUnavailableError if none is answered", async () => {
    await store.put("slow", Buffer.from("x"));
    server.failNext(503);
    assert.equal((await store.get("slow"))?.body.length, 1);
    server.failNext(503, 503, 503);
    await assert.rejects(store.get("slow"), StoreUnavailableError);
  });
});

test("a server that is down is a StoreUnavailableError", async () => {
  const server = await startS3Server();
  const { client } = server;
  const store = new S3ObjectStore({ client, bucket: "runs" });
  await store.put("key", Buffer.from("x"));
  await server.close();
  await assert.rejects(store.get("key"), StoreUnavailableError);
});

test("an object has 10,000 parts at most, however large it is", () => {
  const mebibyte = 1_048_576;
  assert.equal(partBytesOf(100 * mebibyte, 16 * mebibyte), 16 * mebibyte);
  for (const bytes of [160_000 * mebibyte, 160_000 * mebibyte + 1, 5 * 1024 * 1024 * mebibyte])
    assert.ok(Math.ceil(bytes / partBytesOf(bytes)) <= 10_000);
});
