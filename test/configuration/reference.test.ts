import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { configurationReference } from "../../scripts/tools/documentation/configuration-reference.js";

test("docs/reference/configuration.md matches the schema", async () => {
  const documentation = await readFile("docs/reference/configuration.md", "utf8");
  assert.ok(
    documentation.endsWith(configurationReference()),
    "run scripts/tools/documentation/write-configuration-reference.ts after a change of the schema",
  );
});
