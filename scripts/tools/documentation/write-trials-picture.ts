import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type PicturedResult, type PicturedTrial, trialsPicture } from "./trials-picture.js";

/**
 * Draws docs/demo.svg from the output folder of a run: `node dist/scripts/tools/documentation/write-trials-picture.js
 * FOLDER`, after `quantfleet demo --workers 1 --out FOLDER`.
 */
const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("Name the output folder of a run.");
const lines = (await readFile(join(folder, "trials.jsonl"), "utf8")).trim().split("\n");
const result = JSON.parse(await readFile(join(folder, "result.json"), "utf8")) as PicturedResult;
await writeFile(
  "docs/demo.svg",
  trialsPicture(
    lines.map((line) => JSON.parse(line) as PicturedTrial),
    result,
  ),
);
