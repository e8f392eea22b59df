import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { ConfigurationError } from "../basics/errors.js";
import { LARGEST_CONFIGURATION_BYTES, parseJsonWithComments } from "../validation/jsonc.js";
import { firstProblem, type Problem } from "../validation/problem.js";
import { UNKNOWN_KEY } from "../validation/requirement.js";
import type { RunWarning } from "../validation/warnings.js";
import { findContradiction } from "./contradiction.js";
import { placesOfKey } from "./misplaced-key.js";
import { type RunConfiguration, type RunConfigurationInput, runConfigurationSchema } from "./schema.js";
import { notesOf } from "./without-effect.js";

/** A checked configuration, and the folder that its relative paths start from. */
export interface LoadedConfiguration {
  readonly configuration: RunConfiguration;
  readonly directory: string;
  /** Notes for the user on keys of the configuration that have no effect. */
  readonly notes: readonly RunWarning[];
}

/** The absolute form of a path in the configuration, which is relative to `directory`; `s3://…` is unchanged. */
export function resolvePath(directory: string, path: string): string {
  return path.startsWith("s3://") || isAbsolute(path) ? path : resolve(directory, path);
}

/**
 * Reads and checks a configuration file.
 *
 * @throws {ConfigurationError} with one sentence; `path` is the JSON path of what is wrong
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
 * Checks the text of a configuration file, which is JSON with comments.
 *
 * @param options.file names the text in messages; relative paths start from its folder
 * @throws {ConfigurationError} as `readConfiguration`
 */
export function parseConfiguration(text: string, { file }: { readonly file: string }): LoadedConfiguration {
  const withoutByteOrderMark = text.startsWith("\uFEFF") ? text.slice(1) : text;
  refuseYaml(withoutByteOrderMark, file);
  const value = parseJsonWithComments(withoutByteOrderMark, file);
  return { ...check(value, file), directory: dirname(resolve(file)) };
}

/**
 * Checks a configuration that a program made.
 *
 * @param options.directory folder that the configuration's relative paths start from
 * @param options.file path that names the configuration in messages, when it was read from a run's record
 * @throws {ConfigurationError} as `readConfiguration`
 */
export function validateConfiguration(
  value: RunConfigurationInput,
  { directory, file }: { readonly directory: string; readonly file?: string },
): LoadedConfiguration {
  return { ...check(value, file), directory: resolve(directory) };
}

/** Refuses YAML, which is recognized by its beginning, because JSON is valid YAML too. */
function refuseYaml(text: string, file: string): void {
  if (!/^(?:\s|#.*\n|%.*\n)*(?:---|-\s|["']?[\w$-]+["']?\s*:)/.test(text)) return;
  throw new ConfigurationError(
    `${file} is YAML, but a configuration is JSON with comments; convert it, such as with python -c "import sys, yaml, json; json.dump(yaml.safe_load(sys.stdin), sys.stdout)".`,
  );
}

function check(
  value: unknown,
  file: string | undefined,
): Pick<LoadedConfiguration, "configuration" | "notes"> {
  const parsed = runConfigurationSchema.safeParse(value);
  if (!parsed.success) throw refusal(withPlace(firstProblem(parsed.error.issues)), file);
  const contradiction = findContradiction(parsed.data);
  if (contradiction !== undefined) throw refusal(contradiction, file);
  return { configuration: parsed.data, notes: notesOf(value, parsed.data, file) };
}

/** Largest number of places (JSON paths) that one message about an unknown key names. */
const MAX_PLACES = 3;

/** Adds to the problem of an unknown key which other objects of the configuration have that key. */
function withPlace({ path, message }: Problem): Problem {
  if (!message.startsWith(UNKNOWN_KEY)) return { path, message };
  const key = /(?:^|\.)([\w$]+)$/.exec(path)?.[1];
  const here = path.replace(/\.?[^.]+$/, "").replace(/\[\d+\]/g, "[…]");
  const places =
    key === undefined ? [] : placesOfKey(key, runConfigurationSchema).filter((place) => place !== here);
  if (places.length === 0) return { path, message };
  const within = places.filter((place) => place.startsWith(`${here}.`));
  const named = (within.length > 0 ? within : places).slice(0, MAX_PLACES).join(" or ");
  return { path, message: `is not a key of this object, but of ${named}; move it there` };
}

function refusal({ path, message }: Problem, file: string | undefined): ConfigurationError {
  const sentence = `${path}${file === undefined ? "" : ` in ${file}`} ${message}`;
  return new ConfigurationError(/[.?!]$/.test(sentence) ? sentence : `${sentence}.`, path);
}
