import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { S3Client } from "@aws-sdk/client-s3";
import { S3ObjectStore } from "../../shared/storage/s3-store.js";
import { ObjectPermissions } from "./aws/permissions.js";
import { startS3Server } from "./aws/s3-server.js";
import { SynthesizedStack } from "./aws/synthesized-stack.js";

test("The emulated S3 allows a role what the stack's policies allow, and nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-permissions-"));
  const server = await startS3Server();
  try {
    const stack = new SynthesizedStack(folder, {});
    for (const { id } of stack.resources("AWS::S3::Bucket"))
      stack.deployed(id, { ref: "emulated", arn: "arn:aws:s3:::emulated" });
    for (const { id } of stack.resources("AWS::IAM::Role")) stack.deployed(id, { ref: id, arn: id });
    const permissions = new ObjectPermissions(stack);
    server.restrict((caller, action, key) =>
      permissions.allows(caller, action, `arn:aws:s3:::emulated${key === undefined ? "" : `/${key}`}`),
    );
    const client = new S3Client({
      endpoint: server.endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: stack.user, secretAccessKey: "emulated" },
    });
    const store = new S3ObjectStore({ client, bucket: "emulated" });
    await store.put("runs/one/workload.json", Buffer.from("{}"));
    assert.ok(await store.get("runs/one/workload.json"));
    for await (const key of store.list("runs/")) assert.equal(key, "runs/one/workload.json");
    for (const refused of [
      () => store.put("runs/one/state.json", Buffer.from("{}")),
      () => store.get("active/one"),
      () => store.delete("runs/one/workload.json"),
    ])
      await assert.rejects(refused(), { name: "AccessDenied" });
    client.destroy();
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
