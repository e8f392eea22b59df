import * as z from "zod";
import { DataError } from "../../../../shared/basics/errors.js";
import type { Choice, Configuration, Parameter, Space } from "../../../../shared/search/space/space.js";

const parameterSchema = z.object({
  name: z.string().min(1),
  choices: z.int().min(1).max(4096),
  ordered: z.boolean().optional(),
  when: z.object({ name: z.string(), is: z.array(z.int()) }).optional(),
});
type ProblemParameter = z.infer<typeof parameterSchema>;

/** A search problem as explicit tables of main effects and pair interactions, whose sum is minimized. */
const problemSchema = z.object({
  name: z.string().min(1),
  parameters: z.array(parameterSchema).min(1),
  main: z.array(z.array(z.number())),
  pairs: z.array(z.object({ a: z.int(), b: z.int(), table: z.array(z.array(z.number())) })).default([]),
  noise: z.number().min(0).default(0),
});
export type Problem = z.infer<typeof problemSchema>;

/**
 * Checks a document that holds a search problem.
 *
 * @param file names the document in messages
 * @throws DataError naming the first invalid value
 */
export function parseProblem(document: unknown, file: string): Problem {
  const parsed = problemSchema.safeParse(document);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
    const place = path.length === 0 ? "the document" : path.join(".");
    throw new DataError(
      `${file}: ${place}: ${message}; write it as the README of ../shared/anchors/search does.`,
    );
  }
  const wrong = contradiction(parsed.data);
  if (wrong !== undefined) throw new DataError(`${file}: ${wrong}.`);
  return parsed.data;
}

/**
 * Checks what the schema cannot: that tables match the parameters, and that conditions name existing
 * parameters.
 */
function contradiction({ parameters, main, pairs }: Problem): string | undefined {
  const byName = new Map<string, ProblemParameter>();
  for (const [d, parameter] of parameters.entries()) {
    if (byName.has(parameter.name)) {
      return `parameters.${d}.name: "${parameter.name}" is listed twice; name it once`;
    }
    byName.set(parameter.name, parameter);
  }
  for (const [d, { name, when }] of parameters.entries()) {
    if (when === undefined) continue;
    const parent = byName.get(when.name);
    if (parent === undefined) {
      return `parameters.${d}.when.name: "${name}" depends on "${when.name}", which is no parameter; name one of the list`;
    }
    const code = when.is.find((value) => value < 0 || value >= parent.choices);
    if (code !== undefined) {
      return `parameters.${d}.when.is: "${when.name}" has no choice ${code}; use 0 to ${parent.choices - 1}`;
    }
    const seen = new Set([name]);
    for (let above: ProblemParameter | undefined = parent; above !== undefined; ) {
      if (seen.has(above.name)) {
        return `parameters.${d}.when.name: "${name}" depends on itself through "${when.name}"; make one of them exist always`;
      }
      seen.add(above.name);
      above = above.when && byName.get(above.when.name);
    }
  }
  if (main.length !== parameters.length) {
    return `main: ${main.length} tables stand for ${parameters.length} parameters; give one a parameter`;
  }
  for (const [d, { name, choices }] of parameters.entries()) {
    if (main[d]!.length !== choices) {
      return `main.${d}: ${main[d]!.length} values stand for the ${choices} choices of "${name}"; give one a choice`;
    }
  }
  for (const [index, { a, b, table }] of pairs.entries()) {
    const [first, second] = [parameters[a], parameters[b]];
    if (first === undefined || second === undefined || a === b) {
      return `pairs.${index}: a is ${a} and b is ${b}, but they must be two of 0 to ${parameters.length - 1}`;
    }
    if (table.length !== first.choices || table.some((row) => row.length !== second.choices)) {
      return `pairs.${index}.table: it must have ${first.choices} rows of ${second.choices} values, as "${first.name}" and "${second.name}" have choices`;
    }
  }
  return undefined;
}

/** Indices of the parameters, parents before their children, otherwise in the file's order. */
export function parentsFirst({ parameters }: Problem): number[] {
  const indexOf = new Map(parameters.map(({ name }, d) => [name, d]));
  const order = new Set<number>();
  const add = (d: number): void => {
    const { when } = parameters[d]!;
    if (when !== undefined) add(indexOf.get(when.name)!);
    order.add(d);
  };
  for (const d of parameters.keys()) add(d);
  return [...order];
}

/** The search space of a problem. The part of a parameter's name before the first dot is its group. */
export function problemSpace(problem: Problem): Space {
  return parentsFirst(problem).map((d): Parameter => {
    const { name, choices, ordered, when } = problem.parameters[d]!;
    return {
      name,
      group: name.split(".", 1)[0]!,
      kind: ordered ? "ordinal" : "categorical",
      choices: Array.from({ length: choices }, (_, code) => code),
      ...(when === undefined ? {} : { when: { parameter: when.name, in: when.is } }),
    };
  });
}

/** The problem's value for a configuration, without measurement noise. */
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
