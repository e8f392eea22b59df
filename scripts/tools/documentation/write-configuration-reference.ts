import { readFile, writeFile } from "node:fs/promises";
import { configurationReference } from "./configuration-reference.js";

/**
 * Regenerates the part of docs/reference/configuration.md below the marker line from the schema. Run it after a change
 * of the schema; a test checks that it is up to date.
 */
const FILE = "docs/reference/configuration.md";
const MARKER =
  "<!-- Made from the schema by scripts/tools/documentation/write-configuration-reference.ts; what stands below is overwritten. -->";

const [introduction] = (await readFile(FILE, "utf8")).split(MARKER);
await writeFile(FILE, `${introduction}${MARKER}\n\n${configurationReference()}`);
