import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../scripts/package/package-root.js";
import { SAFEGUARDS, safeguard, switchOffSafeguard } from "../../shared/basics/safeguard.js";

const sources = ["shared", "functions", "infra", "scripts"].flatMap((folder) =>
  readdirSync(join(packageRoot(), folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(folder, path)),
);
const textOf = (path: string): string => readFileSync(join(packageRoot(), path), "utf8");

test("safeguards are switched off by nothing but the tools of tests", () => {
  const users = sources.filter((path) => textOf(path).includes("switchOffSafeguard"));
  assert.deepEqual(
    users.map((path) => path.replaceAll("\\", "/")),
    ["shared/basics/safeguard.ts", "scripts/tools/simulation/simulate.ts"],
  );
});

test("each safeguard is used in exactly one place", () => {
  const used = sources.flatMap((path) =>
    [...textOf(path).matchAll(/\bsafeguard\("([^"]+)"\)/g)].map(([, name]) => name),
  );
  assert.deepEqual(used.sort(), [...SAFEGUARDS].sort());
});

test("all safeguards are in force until one is switched off", () => {
  assert.ok(SAFEGUARDS.every(safeguard));
  switchOffSafeguard("claims");
  assert.deepEqual(
    SAFEGUARDS.filter((name) => !safeguard(name)),
    ["claims"],
  );
});
