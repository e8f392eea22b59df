import type { Problem } from "./inputs/fuzz-input.js";

/**
 * A thrown value with the name of its class, taken from the constructor, as `name` can be set to anything.
 */
export function problemOf(error: unknown, how: Problem["how"]): Problem {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error), how };
  const { message, stack } = error;
  return { name: error.constructor.name, message, ...(stack === undefined ? {} : { stack }), how };
}
