import { join, relative, resolve } from "node:path";
import { packageRoot } from "../package/package-root.js";

/**
 * Path of the configuration's JSON Schema relative to a folder, for the key `$schema` of a configuration in that
 * folder.
 */
export function schemaPath(directory: string): string {
  const schema = join(packageRoot(), "docs", "reference", "schemas", "configuration.schema.json");
  return relative(resolve(directory), schema).replaceAll("\\", "/");
}
