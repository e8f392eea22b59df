import type * as z from "zod";

/**
 * What is wrong with a configuration: the JSON path, and a message that is a predicate with the path as its
 * subject.
 */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

const PLAIN_KEY = /^[A-Za-z_$][\w$]*$/;

/**
 * A JSON path as text: `optimizer.params.max_trials`, `compression.algorithms[1].params` or
 * `engine.calibration.inputs["a.b"]`.
 */
export function jsonPath(keys: readonly PropertyKey[]): string {
  let path = "";
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else if (PLAIN_KEY.test(String(key))) path += path === "" ? String(key) : `.${String(key)}`;
    else path += `[${JSON.stringify(String(key))}]`;
  }
  return path === "" ? "the configuration" : path;
}

/**
 * The one problem to report among the issues that zod found. Unknown keys come first, as a misspelt key often
 * explains why another is missing.
 */
export function firstProblem(issues: readonly z.core.$ZodIssue[]): Problem {
  const leaves = issues.map((issue) => leaf(issue));
  const chosen = leaves.find((issue) => issue.code === "unrecognized_keys") ?? leaves[0];
  if (chosen === undefined) return { path: jsonPath([]), message: "cannot be read" };
  const key = chosen.code === "unrecognized_keys" ? chosen.keys.slice(0, 1) : [];
  return { path: jsonPath([...chosen.path, ...key]), message: chosen.message };
}

/**
 * The innermost of the issues that a zod issue contains. For a union it is that of the first variant whose
 * outermost type matches the value.
 */
function leaf(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code === "invalid_key") {
    const [inner] = issue.issues;
    return inner === undefined ? issue : { ...issue, message: inner.message };
  }
  if (issue.code !== "invalid_union") return issue;
  for (const variant of issue.errors) {
    if (variant.some((inner) => inner.path.length === 0 && inner.code === "invalid_type")) continue;
    const inner = variant.map(leaf);
    const chosen = inner.find((candidate) => candidate.code === "unrecognized_keys") ?? inner[0];
    if (chosen !== undefined) return { ...chosen, path: [...issue.path, ...chosen.path] };
  }
  return issue;
}
