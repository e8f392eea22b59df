import { readFile, writeFile } from "node:fs/promises";
import { apiReference } from "./api-reference.js";

/**
 * Rewrites the part of docs/reference/api.md below the marker line. Run it after `npm run build`; a test checks
 * that it is up to date.
 */
const FILE = "docs/reference/api.md";
const MARKER =
  "<!-- Made from the declarations by scripts/tools/documentation/write-api-reference.ts; what stands below is overwritten. -->";

const [introduction] = (await readFile(FILE, "utf8")).split(MARKER);
await writeFile(FILE, `${introduction}${MARKER}\n\n${apiReference()}`);
