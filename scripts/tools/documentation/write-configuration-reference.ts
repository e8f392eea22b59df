import { readFile, writeFile } from "node:fs/promises";
import { configurationReference } from "./configuration-reference.js";

/**
 * Rewrites the part of docs/configuration.md that is made from the schema, below the marker line.
 * Run it after a change of the schema; a test compares.
 */
const FILE = "docs/configuration.md";
const MARKER =
  "<!-- Made from the schema by scripts/tools/documentation/write-configuration-reference.ts; what stands below is overwritten. -->";

const [introduction] = (await readFile(FILE, "utf8")).split(MARKER);
await writeFile(FILE, `${introduction}${MARKER}\n\n${configurationReference()}`);
