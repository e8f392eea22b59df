import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { UsageError } from "../../../shared/basics/errors.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import { packageRoot } from "../../package/package-root.js";
import { bestKnownValue } from "./search/best-known.js";
import { positive, runBench, type StudyOptions } from "./search/command.js";
import { type Comparison, type Curves, compare, meanRatio, medianAfter } from "./search/comparison.js";
import { findLine, KEPT_LINES, type OptunaLine, readOptunaLines, runOptuna } from "./search/optuna.js";
import { type Problem, problemSpace } from "./search/problem.js";
import {
  defaultProblemPaths,
  type ProblemFile,
  parseJson,
  readBenchFile,
  readProblemFile,
} from "./search/problem-file.js";
import { geometricMean, runStudy } from "./search/study.js";

const USAGE = `usage: npm run -s bench:search -- [PROBLEM.json ...] [--seeds 20] [--trials 200] [--batch 1]
                                  [--python PYTHON | --optuna FILE.jsonl | --json]

Median true value of the configuration that looks best, over seeds, beside Optuna's after as many trials. Without
problems: those of ../shared/anchors/search.

--python PYTHON     runs Optuna (scripts/tools/bench/peers/optuna_search.py) on the same files with the same options
--optuna FILE       takes what that script printed before; by default the lines kept for the folder's problems
--json              one line a problem, without Optuna (npm run without -s prints a banner before it)

Regret is the distance to a best known value: the one that the README of the folder gives ("given"), and the least of
that, of what annealing finds and of what the trials found ("found"). A ratio is 1 where neither has any regret left.`;

const MARKS = [50, 100, 200, 400, 1000];

function curvesOf(problem: Problem, { seeds, trials, batch }: StudyOptions): Curves {
  const space = problemSpace(problem);
  return Array.from({ length: seeds }, (_, index) => {
    const seed = index + 1;
    const sampler = createTpeSampler(space, { seed, maxTrials: trials });
    const { incumbent, repeats } = runStudy(problem, sampler, trials, batch, seed);
    if (repeats > 0) {
      throw new Error(`${problem.name}, seed ${seed}: ${repeats} configurations were asked twice.`);
    }
    return incumbent;
  });
}

/** The best known value of one of the given problems; `undefined` for other problems. */
function givenBestOf({ problem, sha256 }: ProblemFile): number | undefined {
  const path = join(packageRoot(), "scripts/tools/bench/search/given/best-known.json");
  const given = parseJson(readBenchFile(path, "the given values").toString("utf8"), path) as readonly {
    readonly problem: string;
    readonly sha256: string;
    readonly bestKnown: number;
  }[];
  return given.find((row) => row.problem === problem.name && row.sha256 === sha256)?.bestKnown;
}

/** Comparisons of all problems, by the number of trials and the reference value of regret. */
class Summary {
  readonly #rows = new Map<number, { given: number[]; found: number[]; reached: (number | undefined)[] }>();

  add(given: Comparison | undefined, found: Comparison): void {
    const row = this.#rows.get(found.trials) ?? { given: [], found: [], reached: [] };
    this.#rows.set(found.trials, row);
    if (given !== undefined) row.given.push(given.ratio);
    row.found.push(found.ratio);
    row.reached.push(found.reachedAt);
  }

  lines(): string[] {
    return [...this.#rows].map(([trials, { given, found, reached }]) => {
      const known = reached.filter((trial) => trial !== undefined);
      const never = reached.length - known.length;
      const ratios = `regret ratio ${given.length === found.length ? `${meanRatio(given).toFixed(3)} given, ` : ""}${meanRatio(found).toFixed(3)} found`;
      const when =
        never > 0
          ? `never on ${never} of ${reached.length} problems`
          : `at ${geometricMean(known).toFixed(0)}`;
      return `After ${trials}, geometric means (each ratio at least 0.01): ${ratios}; Optuna's value reached ${when}.`;
    });
  }
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "20" },
      trials: { type: "string", default: "200" },
      batch: { type: "string", default: "1" },
      python: { type: "string" },
      optuna: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const options: StudyOptions = {
    seeds: positive("seeds", values.seeds),
    trials: positive("trials", values.trials),
    batch: positive("batch", values.batch),
  };
  const exclusive = (["python", "optuna", "json"] as const).filter((name) => Boolean(values[name]));
  if (exclusive.length > 1) {
    throw new UsageError(`--${exclusive[0]} and --${exclusive[1]} exclude each other; give one of them.`);
  }
  const files = (positionals.length > 0 ? positionals : defaultProblemPaths()).map(readProblemFile);
  const marks = [...MARKS.filter((mark) => mark < options.trials), options.trials];
  if (values.json) {
    for (const { problem } of files) {
      const curves = curvesOf(problem, options);
      const { batch, seeds } = options;
      const reached = marks.map((mark) => medianAfter(curves, mark));
      console.log(JSON.stringify({ problem: problem.name, batch, seeds, trials: marks, median: reached }));
    }
    return;
  }
  const { python } = values;
  const lines = python === undefined ? readOptunaLines(values.optuna ?? KEPT_LINES) : [];
  const optunaOf = (file: ProblemFile): OptunaLine | undefined =>
    python === undefined ? findLine(lines, file, options.batch) : runOptuna(python, file.path, options);
  console.log(report(files, options, marks, optunaOf));
}

function report(
  files: readonly ProblemFile[],
  options: StudyOptions,
  marks: readonly number[],
  optunaOf: (file: ProblemFile) => OptunaLine | undefined,
): string {
  const table = new Table({
    head: [
      "problem",
      "best given",
      "found",
      "trials",
      "ours",
      "Optuna",
      "ratio given",
      "found",
      "reached at",
    ],
    style: { head: [], border: [] },
  });
  const summary = new Summary();
  const notes = new Set<string>();
  for (const file of files) {
    const { problem } = file;
    process.stderr.write(`${problem.name} …\n`);
    const optuna = optunaOf(file);
    const curves = curvesOf(problem, options);
    const given = givenBestOf(file);
    const found = Math.min(given ?? Infinity, bestKnownValue(problem), ...curves.flat());
    for (const [row, mark] of marks.entries()) {
      const known = optuna?.median[optuna.trials.indexOf(mark)];
      const against = (best: number | undefined): Comparison | undefined =>
        known === undefined || best === undefined ? undefined : compare(curves, mark, known, best);
      const [toGiven, toFound] = [against(given), against(found)];
      if (toFound !== undefined) summary.add(toGiven, toFound);
      table.push([
        ...(row === 0 ? [problem.name, given?.toFixed(4) ?? "–", found.toFixed(4)] : ["", "", ""]),
        mark,
        medianAfter(curves, mark).toFixed(4),
        known?.toFixed(4) ?? "–",
        toGiven?.ratio.toFixed(3) ?? "–",
        toFound?.ratio.toFixed(3) ?? "–",
        toFound === undefined ? "–" : (toFound.reachedAt ?? "never"),
      ]);
    }
    notes.add(
      optuna === undefined
        ? "Nothing is kept of Optuna where its column is empty: give --python, or --optuna with lines of these files at this batch."
        : `Optuna's column: ${optuna.sampler}, ${optuna.seeds} seeds.`,
    );
  }
  return [table.toString(), ...summary.lines(), ...notes].join("\n");
}

runBench("bench:search", main);
