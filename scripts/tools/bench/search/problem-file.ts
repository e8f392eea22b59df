import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DataError, UsageError } from "../../../../shared/basics/errors.js";
import { type Problem, parseProblem } from "./problem.js";

const DEFAULT_FOLDER = "../shared/anchors/search";

export interface ProblemFile {
  readonly path: string;
  /** SHA-256 of the file's bytes, which tells files of the same name apart. */
  readonly sha256: string;
  readonly problem: Problem;
}

/**
 * Reads and checks a file that holds a search problem.
 *
 * @throws DataError with one sentence
 */
export function readProblemFile(path: string): ProblemFile {
  const bytes = readBenchFile(path, "a problem file");
  return {
    path,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    problem: parseProblem(parseJson(bytes.toString("utf8"), path), path),
  };
}

/** The problem files of the default folder. */
export function defaultProblemPaths(): string[] {
  if (!existsSync(DEFAULT_FOLDER)) {
    throw new UsageError(
      `${DEFAULT_FOLDER} is missing; name problem files, or write some with node dist/scripts/tools/bench/search-generate.js FOLDER.`,
    );
  }
  return readdirSync(DEFAULT_FOLDER)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => join(DEFAULT_FOLDER, name));
}

export function readBenchFile(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new DataError(`${path} cannot be read (${reason}); give the path of ${what}.`, { cause: error });
  }
}

/**
 * Parses a text as JSON.
 *
 * @param place names the text in messages
 */
export function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split("\n");
    throw new DataError(`${place} is not JSON (${reason}); correct it there.`, { cause: error });
  }
}
