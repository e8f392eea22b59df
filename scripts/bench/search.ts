import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { createTpeSampler } from "../../shared/search/tpe-sampler.js";
import { OPTUNA_REFERENCE } from "./search/optuna-reference.js";
import { bestKnownValue, type Problem, parseProblem, problemSpace } from "./search/problem.js";
import { geometricMean, median, runStudy } from "./search/study.js";

const USAGE = `usage: npm run bench:search -- [PROBLEM.json ...] [--seeds 20] [--trials 200] [--batch 1] [--json]

Median true value of the configuration that looks best, over seeds. Without problems: those of
../shared/anchors/search.`;

const DEFAULT_FOLDER = "../shared/anchors/search";
const MARKS = [50, 100, 200, 400, 1000];

interface Row {
  readonly problem: string;
  readonly batch: number;
  readonly seeds: number;
  readonly trials: readonly number[];
  readonly median: readonly number[];
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`--${name} ${text}: give a whole number from 1 on.`);
  }
  return value;
}

/** Curves a seed each: the incumbent's true value after every trial. */
function curves(problem: Problem, seeds: number, trials: number, batch: number): (readonly number[])[] {
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

function medianAfter(all: readonly (readonly number[])[], trial: number): number {
  return median(all.map((curve) => curve[Math.min(trial, curve.length) - 1]!));
}

/** The first trial at which the median reaches a value. */
function trialsToReach(
  all: readonly (readonly number[])[],
  value: number,
  trials: number,
): number | undefined {
  for (let trial = 1; trial <= trials; trial++) {
    if (medianAfter(all, trial) <= value) {
      return trial;
    }
  }
  return undefined;
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "20" },
      trials: { type: "string", default: "200" },
      batch: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const seeds = positive("seeds", values.seeds);
  const trials = positive("trials", values.trials);
  const batch = positive("batch", values.batch);
  if (positionals.length === 0 && !existsSync(DEFAULT_FOLDER)) {
    throw new Error(
      `${DEFAULT_FOLDER} is missing: name problem files, or write some with search-generate.js.`,
    );
  }
  const paths =
    positionals.length > 0
      ? positionals
      : readdirSync(DEFAULT_FOLDER)
          .filter((name) => name.endsWith(".json"))
          .sort()
          .map((name) => join(DEFAULT_FOLDER, name));
  const marks = [...MARKS.filter((mark) => mark < trials), trials];
  const table = new Table({
    head: [
      "problem",
      "best known",
      ...marks.map((mark) => `after ${mark}`),
      "Optuna 200",
      "regret ratio",
      "reached at",
    ],
  });
  const ratios: number[] = [];
  for (const path of paths) {
    const problem = parseProblem(JSON.parse(readFileSync(path, "utf8")));
    const all = curves(problem, seeds, trials, batch);
    const medians = marks.map((mark) => medianAfter(all, mark));
    if (values.json) {
      const row: Row = { problem: problem.name, batch, seeds, trials: marks, median: medians };
      console.log(JSON.stringify(row));
      continue;
    }
    const reference = OPTUNA_REFERENCE.find((row) => row.problem === problem.name && row.batch === batch);
    const best = reference?.bestKnown ?? bestKnownValue(problem);
    const ratio = reference && (medians.at(-1)! - best) / (reference.after200 - best);
    if (ratio !== undefined) {
      ratios.push(ratio);
    }
    table.push([
      problem.name,
      best.toFixed(4),
      ...medians.map((value) => value.toFixed(4)),
      reference?.after200.toFixed(4) ?? "",
      ratio?.toFixed(3) ?? "",
      reference === undefined ? "" : String(trialsToReach(all, reference.after200, trials) ?? "never"),
    ]);
  }
  if (!values.json) {
    console.log(table.toString());
    if (ratios.length > 0) {
      // A regret of 0 or below (better than the best known) would make a geometric mean meaningless.
      const floored = ratios.map((ratio) => Math.max(0.01, ratio));
      console.log(
        `geometric mean of the regret ratios (each at least 0.01): ${geometricMean(floored).toFixed(3)}`,
      );
    }
  }
}

main();
