import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tune } from "../../../api/tune.js";
import { FOLDER } from "./fuzz-input.js";
import type { Json } from "./json-mutation.js";
import { ALGORITHMS, soundConfiguration } from "./sound-configurations.js";
import { networkFiles } from "./sound-models.js";

/**
 * Keys whose values differ from run to run; the values are replaced, so that mutated records are
 * reproducible.
 */
const TIMES = new Set(["at", "askedAt", "endedAt", "startedAt", "lastAt", "requestedAt", "deadline"]);
const DURATIONS = new Set([
  "quantize",
  "session",
  "inference",
  "total",
  "seconds",
  "wallSeconds",
  "askSeconds",
  "statisticsSeconds",
  "quantizeSeconds",
  "sessionSeconds",
  "inferenceSeconds",
  "referenceMs",
  "candidateMs",
  "ratio",
  "noise",
  "latencyRatio",
  "latencyNoise",
  "latencyMs",
]);

/**
 * The files of a finished run of the small network, with `FOLDER` for its folder; the run is executed once.
 */
export async function recordRun(): Promise<ReadonlyMap<string, Uint8Array>> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-fuzz-run-"));
  try {
    const files = networkFiles();
    files.set("config.json", Buffer.from(JSON.stringify(soundConfiguration(ALGORITHMS[0]!, "CPU"))));
    for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
    const run = await tune(join(folder, "config.json"), { out: join(folder, "out"), workers: 1 });
    await run.result;
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      const name = path.slice(folder.length + 1);
      if (!entry.isFile() || name.includes("/.")) continue;
      files.set(name, steady(name, await readFile(path), folder));
    }
    return files;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Replaces values in a record that differ from run to run, such as times. */
function steady(name: string, bytes: Buffer, folder: string): Uint8Array {
  if (!/\.jsonl?$/.test(name)) return bytes;
  const lines = bytes.toString("utf8").replaceAll(folder, FOLDER).split("\n");
  const calm = (line: string): string => (line === "" ? "" : JSON.stringify(JSON.parse(line, calmed)));
  const text = name.endsWith(".jsonl") ? lines.map(calm).join("\n") : calm(lines.join("\n"));
  return Buffer.from(text);
}

function calmed(key: string, value: Json): Json {
  if (typeof value === "number" && TIMES.has(key)) return 1_700_000_000_000;
  if (typeof value === "number" && DURATIONS.has(key)) return 1;
  return key === "worker" ? "worker" : value;
}
