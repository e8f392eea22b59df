import { hypervolume, type ObjectivePoint } from "../../../../shared/search/numerics/pareto.js";
import { createRandomStream } from "../../../../shared/search/numerics/random.js";
import { generateProblem, type ProblemShape } from "./generate.js";
import type { Problem } from "./problem.js";

/** A search problem with two objectives of the same parameters, both minimized. */
export interface TradeOff {
  readonly name: string;
  readonly loss: Problem;
  readonly cost: Problem;
}

/** Cost of a parameter that depends on another, as a share of its layer's cost. */
const DEPENDENT_SHARE = 0.2;

/**
 * Generates a trade-off of loss and cost: a layer costs more the lower its choice's loss, with random
 * exceptions.
 */
export function generateTradeOff(name: string, seed: number, shape: Partial<ProblemShape>): TradeOff {
  const loss = generateProblem(name, seed, shape);
  const random = createRandomStream(seed, 1, "problem");
  const weights = loss.parameters.map(
    ({ when }) => Math.exp(random.normal()) * (when === undefined ? 1 : DEPENDENT_SHARE),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const main = loss.main.map((effects, d) =>
    effects.map((effect) => {
      const rank = effects.filter((other) => other < effect).length;
      const share = 1 - rank / Math.max(1, effects.length - 1) + 0.3 * random.uniform();
      return (weights[d]! / total) * share;
    }),
  );
  return { name, loss, cost: { ...loss, main, pairs: [] } };
}

/**
 * Hypervolume that points dominate, as a share of the box between two corners.
 *
 * @param ideal the smallest value of each objective
 * @param worst the reference point; points beyond it do not count
 */
export function volumeShare(
  points: readonly ObjectivePoint[],
  ideal: ObjectivePoint,
  worst: ObjectivePoint,
): number {
  const box = worst.reduce((product, value, m) => product * (value - ideal[m]!), 1);
  return hypervolume(points, worst) / box;
}
