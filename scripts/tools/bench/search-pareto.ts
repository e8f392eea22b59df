import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import * as z from "zod";
import type { ObjectivePoint } from "../../../shared/search/numerics/pareto.js";
import { createRandomSampler } from "../../../shared/search/samplers/random-sampler.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import type { Sampler } from "../../../shared/search/trials/sampler.js";
import { bestKnownValue } from "./search/best-known.js";
import { positive, runBench, runPeer, type StudyOptions } from "./search/command.js";
import { problemSpace, trueValue } from "./search/problem.js";
import { median } from "./search/study.js";
import { generateTradeOff, type TradeOff, volumeShare } from "./search/trade-off.js";

const USAGE = `usage: npm run -s bench:pareto -- [--seeds 5] [--trials 200] [--batch 1] [--python PYTHON]

Two objectives on generated problems: hypervolume of the trials' points, as a share of the box between the best known
value of each objective and the worst that random search met; medians over seeds. With --python, Optuna's TPE with
several objectives (scripts/tools/bench/peers/optuna_pareto.py) on the same problems.`;

const PROBLEMS: readonly TradeOff[] = [
  generateTradeOff("25 layers x 4", 201, { layers: 25, choices: 4 }),
  generateTradeOff("50 layers x 6", 202, { layers: 50, choices: 6 }),
  generateTradeOff("25 conditional", 203, { layers: 25, structure: "conditional" }),
];

/** Objective values of a search's trials, in the order of the trials. */
type Course = readonly ObjectivePoint[];

const coursesSchema = z.object({
  sampler: z.string(),
  courses: z.array(z.array(z.array(z.number()).length(2))),
});

function runTradeOff({ loss, cost }: TradeOff, sampler: Sampler, { trials, batch }: StudyOptions): Course {
  const points: ObjectivePoint[] = [];
  for (let first = 0; first < trials; first += batch) {
    const asked: [number, Configuration][] = [];
    for (let number = first; number < Math.min(trials, first + batch); number++) {
      const configuration = sampler.ask(number);
      if (configuration === undefined) continue;
      sampler.started(number, configuration);
      asked.push([number, configuration]);
    }
    for (const [number, configuration] of asked) {
      const values = [trueValue(loss, configuration), trueValue(cost, configuration)];
      sampler.tell({ number, configuration, state: "complete", values, violation: 0, samples: 1 });
      points.push(values);
    }
  }
  return points;
}

function coursesOf(problem: TradeOff, options: StudyOptions, create: (seed: number) => Sampler): Course[] {
  return Array.from({ length: options.seeds }, (_, index) =>
    runTradeOff(problem, create(index + 1), options),
  );
}

function optunaCourses(problem: TradeOff, options: StudyOptions, python: string) {
  const folder = mkdtempSync(join(tmpdir(), "quantfleet-bench-pareto-"));
  try {
    const path = join(folder, "problem.json");
    writeFileSync(path, JSON.stringify(problem));
    return coursesSchema.parse(JSON.parse(runPeer(python, "optuna_pareto.py", path, options)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "5" },
      trials: { type: "string", default: "200" },
      batch: { type: "string", default: "1" },
      python: { type: "string" },
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
  const { python } = values;
  const marks = [50, 100, 200].filter((mark) => mark < options.trials).concat(options.trials);
  const table = new Table({
    head: ["problem", "sampler", ...marks.map((mark) => `after ${mark}`)],
    style: { head: [], border: [] },
  });
  for (const problem of PROBLEMS) {
    process.stderr.write(`${problem.name} …\n`);
    const space = problemSpace(problem.loss);
    const random = coursesOf(problem, options, (seed) => createRandomSampler(space, { seed }));
    const ours = coursesOf(problem, options, (seed) =>
      createTpeSampler(space, { seed, maxTrials: options.trials }),
    );
    const optuna = python === undefined ? undefined : optunaCourses(problem, options, python);
    const ideal = [bestKnownValue(problem.loss), bestKnownValue(problem.cost)];
    const worst = [0, 1].map((m) => Math.max(...random.flat().map((point) => point[m]!)));
    const row = (sampler: string, courses: readonly Course[]): void => {
      const shares = marks.map((mark) =>
        median(courses.map((course) => volumeShare(course.slice(0, mark), ideal, worst))),
      );
      table.push([problem.name, sampler, ...shares.map((share) => share.toFixed(3))]);
    };
    row("ours", ours);
    if (optuna !== undefined) row(optuna.sampler, optuna.courses);
    row("random", random);
  }
  console.log(table.toString());
}

runBench("bench:pareto", main);
