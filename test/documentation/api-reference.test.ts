import assert from "node:assert/strict";
import { test } from "node:test";
import { apiReference } from "../../scripts/tools/documentation/api-reference.js";
import { readPage } from "./pages.js";

test("docs/reference/api.md has the exported names as they are declared", () => {
  const reference = apiReference();
  for (const name of [
    "tune",
    "quantize",
    "evaluate",
    "inspect",
    "submitRun",
    "ConfigurationError",
    "QuantFleet",
  ])
    assert.ok(reference.includes(`\n#### ${name}\n`), `${name} is missing`);
  assert.ok(
    readPage("docs/reference/api.md").endsWith(reference),
    "run `node dist/scripts/tools/documentation/write-api-reference.js`",
  );
});
