import { writeFile } from "node:fs/promises";
import { PUBLISHED_SCHEMAS, publishedSchemaText } from "./published-schemas.js";

/** Rewrites docs/schemas. Run it after a change of the configuration, of device files or messages; a test compares. */
for (const name of PUBLISHED_SCHEMAS) await writeFile(`docs/schemas/${name}`, publishedSchemaText(name));
