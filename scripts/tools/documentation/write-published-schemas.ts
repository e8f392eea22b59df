import { writeFile } from "node:fs/promises";
import { PUBLISHED_SCHEMAS, publishedSchemaText } from "./published-schemas.js";

/** Regenerates docs/reference/schemas. Run it after a change of a schema; a test checks that it is up to date. */
for (const name of PUBLISHED_SCHEMAS)
  await writeFile(`docs/reference/schemas/${name}`, publishedSchemaText(name));
