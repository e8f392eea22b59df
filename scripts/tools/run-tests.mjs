/**
 * Runs the compiled tests with Node's test runner: `node scripts/tools/run-tests.mjs [folder under dist/test …]`.
 *
 * Node 20 searches folders for tests but knows no patterns, Node 22 and newer the other way round, so the
 * files are listed here. Without a folder everything runs but test/package, which takes minutes.
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../dist/test", import.meta.url));
const SLOW = path.join("package", path.sep);

const folders = process.argv.slice(2).map((folder) => path.join(folder, path.sep));
const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".test.js"))
  .filter((file) =>
    folders.length > 0 ? folders.some((folder) => file.startsWith(folder)) : !file.startsWith(SLOW),
  )
  .sort()
  .map((file) => path.join(ROOT, file));

if (files.length === 0) {
  console.error(
    `No compiled test found under dist/test for [${folders.join(", ")}]: run \`npm run build\` first.`,
  );
  process.exitCode = 1;
} else {
  const options = ["--test", "--test-reporter=spec", `--test-concurrency=${availableParallelism()}`];
  const { status } = spawnSync(process.execPath, [...options, ...files], { stdio: "inherit" });
  process.exitCode = status ?? 1;
}
