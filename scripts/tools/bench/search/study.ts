import { createRandomStream } from "../../../../shared/search/numerics/random.js";
import type { Configuration } from "../../../../shared/search/space/space.js";
import type { Sampler } from "../../../../shared/search/trials/sampler.js";
import { type Problem, trueValue } from "./problem.js";

export interface StudyCurve {
  /** After each trial, the true value of the configuration with the best measured value so far. */
  readonly incumbent: readonly number[];
  /** Number of trials that repeat the configuration of an earlier trial. */
  readonly repeats: number;
}

/**
 * Runs a sampler on a problem in synchronous batches: `batch` asks (proposals of trials), then their results.
 *
 * @param seed of the measurement noise; the sampler has its own seed
 */
export function runStudy(
  problem: Problem,
  sampler: Sampler,
  trials: number,
  batch: number,
  seed: number,
): StudyCurve {
  const incumbent: number[] = [];
  const seen = new Set<string>();
  let repeats = 0;
  let bestTold = Number.POSITIVE_INFINITY;
  let bestTrue = Number.POSITIVE_INFINITY;
  for (let first = 0; first < trials; first += batch) {
    const asked: [number, Configuration][] = [];
    for (let number = first; number < Math.min(trials, first + batch); number++) {
      const configuration = sampler.ask(number);
      if (configuration !== undefined) {
        sampler.started(number, configuration);
        asked.push([number, configuration]);
        const key = JSON.stringify(configuration);
        repeats += seen.has(key) ? 1 : 0;
        seen.add(key);
      }
    }
    for (const [number, configuration] of asked) {
      const exact = trueValue(problem, configuration);
      const noise =
        problem.noise === 0 ? 0 : problem.noise * createRandomStream(seed, number, "noise").normal();
      const told = exact + noise;
      sampler.tell({ number, configuration, state: "complete", values: [told], violation: 0, samples: 1 });
      if (told < bestTold) {
        bestTold = told;
        bestTrue = exact;
      }
      incumbent.push(bestTrue);
    }
  }
  return { incumbent, repeats };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
