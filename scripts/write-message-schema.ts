import { writeFile } from "node:fs/promises";
import { messageSchemaText } from "./message-schema.js";

/** Rewrites docs/run-requested.schema.json. Run it after a change of the message or the request; a test compares. */
await writeFile("docs/run-requested.schema.json", messageSchemaText());
