import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../../scripts/package/package-root.js";
import {
  PUBLISHED_SCHEMAS,
  publishedSchemaText,
} from "../../../../scripts/tools/documentation/published-schemas.js";
import { runRequestedSchema } from "../../../../shared/run/protocol/messages.js";
import { toyCost, toyRequest } from "../../../run/toy-study.js";

for (const name of PUBLISHED_SCHEMAS) {
  test(`docs/reference/schemas/${name} is generated from the schema that the program checks with`, async () => {
    assert.equal(
      await readFile(join(packageRoot(), "docs/reference/schemas", name), "utf8"),
      publishedSchemaText(name),
      "run `node dist/scripts/tools/documentation/write-published-schemas.js`",
    );
  });
}

test("the published message schema names every key that a message may have, and no other", () => {
  const request = toyRequest({ cost: toyCost(1) });
  const message = { version: 1, type: "RunRequested", runId: "toy", at: 1, request };
  assert.ok(runRequestedSchema.safeParse(message).success);
  const { properties } = JSON.parse(publishedSchemaText("run-requested.schema.json"));
  assert.deepEqual(Object.keys(properties).sort(), Object.keys(message).sort());
  const known = new Set(Object.keys(properties.request.properties));
  assert.deepEqual(
    Object.keys(request).filter((key) => !known.has(key)),
    [],
  );
});
