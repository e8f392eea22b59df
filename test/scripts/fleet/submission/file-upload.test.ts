import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type UploadProgress, uploadFile } from "../../../../scripts/fleet/submission/file-upload.js";
import { DataError } from "../../../../shared/basics/errors.js";
import { S3ObjectStore } from "../../../../shared/storage/s3-store.js";
import { type S3Server, startS3Server } from "../../../emulated/aws/s3-server.js";

describe("the upload of a file", () => {
  let folder: string;
  let server: S3Server;
  let store: S3ObjectStore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantfleet-upload-"));
    server = await startS3Server();
    store = new S3ObjectStore({ client: server.client, bucket: "runs", partBytes: 1_000 });
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function write(name: string, body: Buffer): Promise<string> {
    const file = join(folder, name);
    await writeFile(file, body);
    return file;
  }

  test("sends parts under the file's hash, reports progress, and is not repeated", async () => {
    const body = Buffer.from(Uint8Array.from({ length: 10_500 }, (_, i) => i % 251));
    const file = await write("samples.npy", body);
    const told: UploadProgress[] = [];
    const note = (progress: UploadProgress): void => void told.push(progress);
    const uploaded = await uploadFile(store, file, "data", note);
    const sha256 = createHash("sha256").update(body).digest("hex");
    assert.deepEqual(uploaded, { key: `data/${sha256}`, bytes: 10_500, sha256 });
    assert.deepEqual(server.objects.get(uploaded.key)?.body, body);
    assert.equal(told.length, 11);
    assert.deepEqual(told.at(-1), { file, bytes: 10_500, sent: 10_500, wasThere: false });
    const copy = await write("copy.npy", body);
    assert.deepEqual(await uploadFile(store, copy, "data", note), uploaded);
    assert.deepEqual(told.slice(11), [{ file: copy, bytes: 10_500, sent: 10_500, wasThere: true }]);
  });

  test("sends small and empty files in one part", async () => {
    for (const size of [0, 1, 1_000]) {
      const sent: number[] = [];
      const file = await write(`${size}`, Buffer.alloc(size, 7));
      const { key } = await uploadFile(store, file, "models", (progress) => sent.push(progress.sent));
      assert.equal(server.objects.get(key)?.body.byteLength, size);
      assert.deepEqual(sent, [size]);
    }
  });

  for (const [how, size] of [
    ["rewritten", 5_000],
    ["cut", 2_500],
  ] as const)
    test(`a file that is ${how} during the upload is refused, and nothing is stored`, async () => {
      const file = await write(how, Buffer.alloc(5_000, how));
      const present = new Set(server.objects.keys());
      // The file is changed between hashing and sending, when the upload checks whether the bucket has it.
      const has = store.has.bind(store);
      store.has = async (key) => {
        await write(how, Buffer.alloc(size, "other"));
        return has(key);
      };
      try {
        await assert.rejects(
          uploadFile(store, file, "data"),
          (error: unknown) =>
            error instanceof DataError && error.message.includes(`File ${file} was changed`),
        );
      } finally {
        store.has = has;
      }
      assert.deepEqual(new Set(server.objects.keys()), present);
      assert.equal(server.openUploads, 0);
    });
});
