import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { packageRoot } from "../../scripts/package-root.js";

const FOLDER = join(packageRoot(), "shared", "search");

/** The layers of docs/search.md from the lowest on, each with its files. */
function documentedLayers(): string[][] {
  const [, section = ""] = readFileSync(join(packageRoot(), "docs", "search.md"), "utf8").split(
    "## Layers\n",
  );
  const rows = section
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| "));
  return rows
    .map((row) => [...row.split(" | ")[1]!.matchAll(/`([\w-]+)`/g)].map(([, file]) => file!))
    .filter((files) => files.length > 0);
}

/** What a module imports or exports from, types as well. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(FOLDER, `${file}.ts`), "utf8");
  return [...text.matchAll(/(?:from|import|import\() ?"(\.[^"]+)\.js"/g)].map(([, path]) => path!);
}

describe("the layers of shared/search", () => {
  const layers = documentedLayers();
  const files = readdirSync(FOLDER).map((name) => name.replace(/\.ts$/, ""));
  const layerOf = new Map(layers.flatMap((members, layer) => members.map((file) => [file, layer])));

  test("hold every file once", () => {
    assert.equal(layers.length, 6);
    assert.deepEqual(layers.flat().sort(), files.toSorted());
  });

  for (const file of files) {
    test(`let ${file} import from its own and lower ones alone`, () => {
      for (const path of importsOf(file)) {
        if (path === "../errors") continue;
        const imported = path.replace(/^\.\//, "");
        assert.ok(layerOf.has(imported), `${file} imports ${path}, which is in no layer`);
        assert.ok(
          layerOf.get(imported)! <= layerOf.get(file)!,
          `${file} imports ${imported}, a layer above it`,
        );
      }
    });
  }
});
