import { statSync } from "node:fs";
import { ConfigurationError } from "../shared/basics/errors.js";

/**
 * Returns the files of metric modules (users' code that computes a metric) that CDK's context names: a list
 * in `cdk.json`, or names separated by commas with `-c metricModules=…`.
 *
 * @throws {ConfigurationError} if it is neither, or a file does not exist
 */
export function metricModulesOf(context: unknown): readonly string[] {
  if (context === undefined) return [];
  const files: unknown[] =
    typeof context === "string" ? context.split(",") : Array.isArray(context) ? context : [];
  if (files.length === 0) throw refuse(context, "names no file");
  return files.map((file) => {
    const name = typeof file === "string" ? file.trim() : "";
    if (name === "") throw refuse(context, "has something in it that is no file's name");
    if (statSync(name, { throwIfNoEntry: false })?.isFile() !== true)
      throw refuse(context, `names ${JSON.stringify(name)}, which is no file`);
    return name;
  });
}

function refuse(context: unknown, problem: string): ConfigurationError {
  return new ConfigurationError(
    `Context metricModules is ${JSON.stringify(context)}, which ${problem}; give files with commas between them, such as -c metricModules=within.js,other.js.`,
    "metricModules",
  );
}
