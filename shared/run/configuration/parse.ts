import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { ConfigurationError } from "../../errors.js";
import { findContradiction } from "./contradiction.js";
import { LARGEST_CONFIGURATION_BYTES, parseJsonWithComments } from "./jsonc.js";
import { firstProblem, type Problem } from "./problem.js";
import { type RunConfiguration, type RunConfigurationInput, runConfigurationSchema } from "./schema.js";

/** A checked configuration and the folder that its relative paths start from. */
export interface LoadedConfiguration {
  readonly configuration: RunConfiguration;
  readonly directory: string;
}

/** A path of the configuration as an absolute one; `s3://…` stays as it is. */
export function resolvePath(directory: string, path: string): string {
  return path.startsWith("s3://") || isAbsolute(path) ? path : resolve(directory, path);
}

/**
 * Reads and checks a configuration file.
 *
 * @throws ConfigurationError with one sentence; `path` is the JSON path of what is wrong
 */
export async function readConfiguration(file: string): Promise<LoadedConfiguration> {
  return parseConfiguration(await readText(file), { file });
}

async function readText(file: string): Promise<string> {
  try {
    const status = await stat(file);
    if (!status.isFile()) {
      throw new ConfigurationError(`${file} is not a file; give the path of a configuration file.`);
    }
    const { size } = status;
    if (size > LARGEST_CONFIGURATION_BYTES) {
      throw new ConfigurationError(
        `${file} has ${size} bytes, but a configuration has at most ${LARGEST_CONFIGURATION_BYTES}; keep data in files of its own.`,
      );
    }
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new ConfigurationError(
      `${file} cannot be read (${reason}); give the path of a configuration file.`,
      undefined,
      {
        cause: error,
      },
    );
  }
}

/**
 * Checks the text of a configuration file: JSON with comments.
 *
 * @param options.file names the text in messages; relative paths start from its folder
 * @throws ConfigurationError as `readConfiguration`
 */
export function parseConfiguration(text: string, { file }: { readonly file: string }): LoadedConfiguration {
  const withoutByteOrderMark = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const value = parseJsonWithComments(withoutByteOrderMark, file);
  return { configuration: check(value, file), directory: dirname(resolve(file)) };
}

/**
 * Checks a configuration that a program made.
 *
 * @param options.directory where relative paths start
 * @throws ConfigurationError as `readConfiguration`
 */
export function validateConfiguration(
  value: RunConfigurationInput,
  { directory }: { readonly directory: string },
): LoadedConfiguration {
  return { configuration: check(value, undefined), directory: resolve(directory) };
}

function check(value: unknown, file: string | undefined): RunConfiguration {
  const parsed = runConfigurationSchema.safeParse(value);
  if (!parsed.success) throw refusal(firstProblem(parsed.error.issues), file);
  const contradiction = findContradiction(parsed.data);
  if (contradiction !== undefined) throw refusal(contradiction, file);
  return parsed.data;
}

function refusal({ path, message }: Problem, file: string | undefined): ConfigurationError {
  const sentence = `${path}${file === undefined ? "" : ` in ${file}`} ${message}`;
  return new ConfigurationError(/[.?!]$/.test(sentence) ? sentence : `${sentence}.`, path);
}
