import { join } from "node:path";
import * as z from "zod";
import { DataError } from "../../../../shared/basics/errors.js";
import { packageRoot } from "../../../package/package-root.js";
import { runPeer, type StudyOptions } from "./command.js";
import { type ProblemFile, parseJson, readBenchFile } from "./problem-file.js";

/** A line printed by scripts/tools/bench/peers/optuna_search.py. */
const lineSchema = z.object({
  problem: z.string(),
  /** SHA-256 of the problem's file; when left out, results are matched by name. */
  sha256: z.string().optional(),
  sampler: z.string().default("Optuna"),
  batch: z.int().min(1),
  seeds: z.int().min(1),
  trials: z.array(z.int().min(1)),
  median: z.array(z.number()),
});
export type OptunaLine = z.infer<typeof lineSchema>;

/** Optuna's results on the given problems, as printed by the script (see the README in the same folder). */
export const KEPT_LINES = join(packageRoot(), "scripts/tools/bench/search/given/optuna.jsonl");

/**
 * Reads a file of results that optuna_search.py printed.
 *
 * @throws DataError naming the first invalid line
 */
export function readOptunaLines(path: string): OptunaLine[] {
  return readBenchFile(path, "a file of lines that scripts/tools/bench/peers/optuna_search.py printed")
    .toString("utf8")
    .split("\n")
    .flatMap((text, index) => (text.trim() === "" ? [] : [parseLine(text, `${path}:${index + 1}`)]));
}

function parseLine(text: string, place: string): OptunaLine {
  const parsed = lineSchema.safeParse(parseJson(text, place));
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
    throw new DataError(
      `${place}: ${path.join(".") || "the line"}: ${message}; write it with scripts/tools/bench/peers/optuna_search.py.`,
    );
  }
  const { trials, median } = parsed.data;
  if (trials.length !== median.length) {
    throw new DataError(
      `${place}: ${median.length} medians stand for ${trials.length} numbers of trials; give one for each.`,
    );
  }
  return parsed.data;
}

export function findLine(
  lines: readonly OptunaLine[],
  { problem, sha256 }: ProblemFile,
  batch: number,
): OptunaLine | undefined {
  return lines.find(
    (line) => line.problem === problem.name && line.batch === batch && (line.sha256 ?? sha256) === sha256,
  );
}

/** Runs Optuna's TPE sampler on the problem in a file. */
export function runOptuna(python: string, path: string, options: StudyOptions): OptunaLine {
  const script = "optuna_search.py";
  return parseLine(runPeer(python, script, path, options), script);
}
