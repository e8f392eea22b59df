import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { messageSchemaText } from "../../scripts/message-schema.js";
import { packageRoot } from "../../scripts/package-root.js";
import { runRequestedSchema } from "../../shared/run/messages.js";
import { toyCost, toyRequest } from "../run/toy-study.js";

test("docs/run-requested.schema.json is made from the schema that the coordinator reads with", async () => {
  assert.equal(
    await readFile(join(packageRoot(), "docs", "run-requested.schema.json"), "utf8"),
    messageSchemaText(),
    "run `node dist/scripts/write-message-schema.js`",
  );
});

test("the published schema names every key that a message may have, and no other", () => {
  const request = toyRequest({ cost: toyCost(1) });
  const message = { version: 1, type: "RunRequested", runId: "toy", at: 1, request };
  assert.ok(runRequestedSchema.safeParse(message).success);
  const { properties } = JSON.parse(messageSchemaText());
  assert.deepEqual(Object.keys(properties).sort(), Object.keys(message).sort());
  const known = new Set(Object.keys(properties.request.properties));
  assert.deepEqual(
    Object.keys(request).filter((key) => !known.has(key)),
    [],
  );
});
