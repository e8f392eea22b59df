import { join, relative, resolve } from "node:path";
import { packageRoot } from "../package/package-root.js";

/** Where the configuration's JSON Schema lies, as a document in a folder names it for an editor. */
export function schemaPath(directory: string): string {
  const schema = join(packageRoot(), "docs", "reference", "schemas", "configuration.schema.json");
  return relative(resolve(directory), schema).replaceAll("\\", "/");
}
