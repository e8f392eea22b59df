import type { Problem } from "./inputs/fuzz-input.js";

/** What was thrown, with the name of its class: `name` is one that anybody may set. */
export function problemOf(error: unknown, how: Problem["how"]): Problem {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error), how };
  const { message, stack } = error;
  return { name: error.constructor.name, message, ...(stack === undefined ? {} : { stack }), how };
}
