import { parseArgs } from "node:util";
import Table from "cli-table3";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { createGreedyLayerSampler } from "../../../shared/search/samplers/greedy-layer-sampler.js";
import { createRandomSampler } from "../../../shared/search/samplers/random-sampler.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import type { FinishedTrial, Sampler } from "../../../shared/search/trials/sampler.js";
import { type ConstrainedProblem, generateConstrainedProblem } from "./search/generate.js";
import { problemSpace, trueValue } from "./search/problem.js";

const USAGE = `usage: node dist/scripts/tools/bench/search-constrained.js [--seeds 6] [--trials 100] [--mark 40] [--large]

Searches generated problems with a good but infeasible base, as layer-wise quantization has: mean latency (above the
fully quantized model's, float is 0.55) of the best feasible configuration after --mark and after --trials trials.
Every seed is another problem. --large takes spaces of 300 to 600 parameters.`;

interface Shape {
  readonly layers: number;
  /** Number of range estimators to choose from for each quantized layer; with 1 there is no such parameter. */
  readonly estimators: number;
  /** Median loss of a quantized layer, in percent; the generator's default when left out. */
  readonly layerLoss?: number;
}

const SHAPES: readonly Shape[] = [
  { layers: 12, estimators: 1 },
  { layers: 25, estimators: 1 },
  { layers: 50, estimators: 1 },
  { layers: 25, estimators: 4 },
  { layers: 60, estimators: 3 },
  { layers: 120, estimators: 1 },
];

/**
 * Large problems, with a median loss per layer at which the base (all layers quantized) misses the accuracy bound
 * by as much as with 25 layers.
 */
const LARGE_SHAPES: readonly Shape[] = [
  { layers: 300, estimators: 1, layerLoss: 0.05 / 12 },
  { layers: 200, estimators: 3, layerLoss: 0.05 / 8 },
  { layers: 300, estimators: 3, layerLoss: 0.05 / 12 },
];

/** Latency of the fully quantized model as a share of the float model's. */
const BASE_LATENCY = 0.45;

type Create = (problem: ConstrainedProblem, seed: number, trials: number) => Sampler;
const SAMPLERS: readonly (readonly [string, Create])[] = [
  [
    "TPE",
    ({ latency, base }, seed, maxTrials) =>
      createTpeSampler(problemSpace(latency), { seed, base, maxTrials }),
  ],
  [
    "TPE, no start",
    ({ latency, base }, seed, maxTrials) =>
      createTpeSampler(problemSpace(latency), { seed, base, maxTrials, startAroundBase: "off" }),
  ],
  [
    "TPE, sensitivity told",
    ({ latency, base, sensitivity }, seed, maxTrials) =>
      createTpeSampler(problemSpace(latency), { seed, base, maxTrials, sensitivity }),
  ],
  [
    "greedy reversal",
    ({ latency, base }, seed) => createGreedyLayerSampler(problemSpace(latency), { seed, base }),
  ],
  ["random", ({ latency }, seed) => createRandomSampler(problemSpace(latency), { seed })],
];

/** After each trial, the true latency of the feasible trial with the best measured latency. */
function incumbents(problem: ConstrainedProblem, sampler: Sampler, seed: number, trials: number): number[] {
  let bestTold = Number.POSITIVE_INFINITY;
  let best = Number.NaN;
  const curve: number[] = [];
  const evaluate = (number: number, configuration: Configuration): FinishedTrial => {
    const noise = createRandomStream(seed, number, "noise");
    const exact = trueValue(problem.latency, configuration);
    const told = exact + problem.latency.noise * noise.normal();
    const loss = trueValue(problem.accuracyLoss, configuration) + problem.accuracyLoss.noise * noise.normal();
    const violation = Math.max(0, loss - problem.bound);
    if (violation === 0 && told < bestTold) {
      bestTold = told;
      best = exact;
    }
    curve.push(best);
    return {
      number,
      configuration,
      state: "complete",
      values: [BASE_LATENCY + told],
      violation,
      accuracyLoss: loss,
      samples: 1,
    };
  };
  sampler.tell(evaluate(0, problem.float));
  sampler.tell(evaluate(1, problem.base));
  for (let number = 2; number < trials; number++) {
    const configuration = sampler.ask(number);
    if (configuration === undefined) {
      break;
    }
    sampler.started(number, configuration);
    sampler.tell(evaluate(number, configuration));
  }
  return curve;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "6" },
      trials: { type: "string", default: "100" },
      mark: { type: "string", default: "40" },
      large: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const trials = Number(values.trials);
  const mark = Number(values.mark);
  const table = new Table({
    head: ["layers x estimators", ...SAMPLERS.map(([name]) => `${name} ${mark} / ${trials}`)],
  });
  const totals = SAMPLERS.map(() => ({ early: [] as number[], late: [] as number[] }));
  for (const { layers, estimators, layerLoss } of values.large ? LARGE_SHAPES : SHAPES) {
    const cells = SAMPLERS.map(([, create], column) => {
      const early: number[] = [];
      const late: number[] = [];
      for (let seed = 1; seed <= Number(values.seeds); seed++) {
        const problem = generateConstrainedProblem(
          "constrained",
          1000 + 7 * seed + layers,
          layers,
          estimators,
          layerLoss,
        );
        const curve = incumbents(problem, create(problem, seed, trials), seed, trials);
        early.push(curve[Math.min(mark, curve.length) - 1]!);
        late.push(curve.at(-1)!);
      }
      totals[column]!.early.push(mean(early));
      totals[column]!.late.push(mean(late));
      return `${mean(early).toFixed(3)} / ${mean(late).toFixed(3)}`;
    });
    table.push([`${layers} x ${estimators}`, ...cells]);
  }
  table.push([
    "mean",
    ...totals.map(({ early, late }) => `${mean(early).toFixed(3)} / ${mean(late).toFixed(3)}`),
  ]);
  console.log(table.toString());
}

main();
