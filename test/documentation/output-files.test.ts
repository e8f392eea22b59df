import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { OUTPUT_FILES } from "../../scripts/api/output-folder.js";
import { ROOT, readPage } from "./pages.js";

const PAGE = "docs/reference/output-files.md";

/** The fields of an interface as its source declares them. */
function fieldsOf(file: string, name: string): string[] {
  const source = readFileSync(join(ROOT, file), "utf8");
  const body = source.split(`export interface ${name} {\n`)[1]?.split("\n}")[0] ?? "";
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field]) => field!);
}

function section(heading: string): string {
  return readPage(PAGE).split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
}

describe(`${PAGE} has`, () => {
  for (const [heading, file, name] of [
    ["result.json", "shared/run/result/result.ts", "RunResult"],
    ["result.json", "shared/run/result/result.ts", "ModelResult"],
    ["trials.jsonl", "shared/run/result/trial-lines.ts", "TrialLine"],
  ] as const)
    test(`every field of ${name} under "${heading}"`, () => {
      const fields = fieldsOf(file, name);
      assert.ok(fields.length > 5, `${name} has ${fields.length} fields`);
      const text = section(heading);
      assert.deepEqual(
        fields.filter((field) => !new RegExp(`\`${field}[\`.]`).test(text)),
        [],
      );
    });

  test("every file of the output folder", () => {
    const text = section("Output folder");
    assert.deepEqual(
      Object.values(OUTPUT_FILES).filter((file) => !text.includes(`\`${file}`)),
      [],
    );
  });
});
