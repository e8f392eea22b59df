import * as z from "zod";
import { createRandomStream } from "../../../shared/search/random.js";
import type { Choice, Configuration, Parameter, Space } from "../../../shared/search/space.js";

/** A search problem as explicit tables (format: README of ../shared/anchors/search), to be minimized. */
const problemSchema = z.object({
  name: z.string(),
  parameters: z.array(
    z.object({
      name: z.string(),
      choices: z.int().min(1).max(4096),
      ordered: z.boolean().optional(),
      when: z.object({ name: z.string(), is: z.array(z.int()) }).optional(),
    }),
  ),
  main: z.array(z.array(z.number())),
  pairs: z.array(z.object({ a: z.int(), b: z.int(), table: z.array(z.array(z.number())) })).default([]),
  noise: z.number().min(0).default(0),
});
export type Problem = z.infer<typeof problemSchema>;

export function parseProblem(document: unknown): Problem {
  return problemSchema.parse(document);
}

/** The part of a parameter's name before the first dot is its group. */
export function problemSpace(problem: Problem): Space {
  return problem.parameters.map(
    ({ name, choices, ordered, when }): Parameter => ({
      name,
      group: name.split(".", 1)[0]!,
      kind: ordered ? "ordinal" : "categorical",
      choices: Array.from({ length: choices }, (_, code) => code),
      ...(when === undefined ? {} : { when: { parameter: when.name, in: when.is } }),
    }),
  );
}

/** The value without noise. */
export function trueValue(problem: Problem, configuration: Configuration): number {
  const codes = problem.parameters.map(({ name }): Choice | undefined => configuration[name]);
  let value = 0;
  for (const [d, code] of codes.entries()) {
    value += code === undefined ? 0 : problem.main[d]![Number(code)]!;
  }
  for (const { a, b, table } of problem.pairs) {
    const codeA = codes[a];
    const codeB = codes[b];
    if (codeA !== undefined && codeB !== undefined) {
      value += table[Number(codeA)]![Number(codeB)]!;
    }
  }
  return value;
}

/** The smallest true value that coordinate descent with restarts finds; a reference, not a proof. */
export function bestKnownValue(problem: Problem, restarts = 40, seed = 1): number {
  let best = Number.POSITIVE_INFINITY;
  for (let restart = 0; restart < restarts; restart++) {
    const random = createRandomStream(seed, restart, "problem");
    const choice = problem.parameters.map(({ choices }) => random.below(choices));
    let value = trueValue(problem, configurationOf(problem, choice));
    for (let improved = true; improved; ) {
      improved = false;
      for (const [d, { choices }] of problem.parameters.entries()) {
        for (let code = 0; code < choices; code++) {
          const before = choice[d]!;
          choice[d] = code;
          const changed = trueValue(problem, configurationOf(problem, choice));
          if (changed < value - 1e-12) {
            value = changed;
            improved = true;
          } else {
            choice[d] = before;
          }
        }
      }
    }
    best = Math.min(best, value);
  }
  return best;
}

/** Keeps the values of the parameters that exist. */
function configurationOf(problem: Problem, choice: readonly number[]): Configuration {
  const configuration: Record<string, Choice> = {};
  for (const [d, { name, when }] of problem.parameters.entries()) {
    const parent = when === undefined ? undefined : configuration[when.name];
    if (when === undefined || (parent !== undefined && when.is.includes(Number(parent)))) {
      configuration[name] = choice[d]!;
    }
  }
  return configuration;
}
