import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";

/**
 * Building blocks of schemas. Each carries its own message for a refused value, because zod's texts name
 * neither the value nor the whole range. A message is a predicate whose subject is the JSON path.
 */

const SHOWN_CHARACTERS = 48;
/** Largest relative edit distance at which an unknown word counts as a misspelling of a known one. */
const MAX_MISSPELLING = 0.4;

/** A value as messages show it: shortened, and only "an object" for objects. */
function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return "an object";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

export function mustBe(value: unknown, requirement: string): string {
  return value === undefined
    ? `is missing; it must be ${requirement}`
    : `is ${shown(value)}, but must be ${requirement}`;
}

/** Like `mustBe`; where the value is a list, the message names the key that takes a list of choices. */
function mustBeOne(value: unknown, requirement: string, several: string | undefined): string {
  const hint =
    Array.isArray(value) && several !== undefined ? `; list values to choose from in ${several}` : "";
  return `${mustBe(value, requirement)}${hint}`;
}

/** Values as a list in words: `"a"`, `"a" or "b"`, `"a", "b" or "c"`. */
export function listed(values: readonly (string | number | boolean | null)[]): string {
  const quoted = values.map((value) => JSON.stringify(value));
  const last = quoted.pop() ?? "";
  return quoted.length === 0 ? last : `${quoted.join(", ")} or ${last}`;
}

/** The known word that `word` is probably a misspelling of; `undefined` when none is close enough. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const candidate = closest(word.toLowerCase(), known.map((name) => name.toLowerCase()) as string[]);
  const match = known.find((name) => name.toLowerCase() === candidate);
  if (match === undefined) return undefined;
  return relativeDistance(word.toLowerCase(), candidate) <= MAX_MISSPELLING ? match : undefined;
}

function relativeDistance(word: string, candidate: string): number {
  return distance(word, candidate) / Math.max(word.length, candidate.length, 1);
}

/**
 * Schema of an object with fixed keys. `refused` maps keys that POT has and quantfleet does not support to
 * the reason and the remedy.
 */
export function section<Shape extends z.ZodRawShape>(
  shape: Shape,
  refused: Readonly<Record<string, string>> = {},
) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return mustBe(issue.input, "an object");
      const key = issue.keys[0] ?? "";
      return Object.hasOwn(refused, key) ? refused[key] : unknownKey(key, known);
    },
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const [outer = "", ...inner] = key.split(".");
  if (inner.length > 0 && known.includes(outer)) {
    return `is written with dots; give ${outer} as an object that holds ${inner.join(" within it ")}`;
  }
  const meant = nearest(key, known);
  return meant === undefined
    ? `${UNKNOWN_KEY}; known here: ${known.join(", ")}`
    : `${UNKNOWN_KEY}; did you mean ${meant}?`;
}

/** Start of the message about a key that is neither known nor in a table of refused keys. */
export const UNKNOWN_KEY = "is not a known key";

/** Schema of a whole number from `low` to `high`, both included. */
export function wholeNumber(low: number, high: number) {
  const error = (issue: { readonly input?: unknown }) =>
    mustBe(issue.input, `a whole number from ${low} to ${high}`);
  return z.int({ error }).min(low, { error }).max(high, { error });
}

/**
 * Schema of a number from `low` to `high`, both included.
 * @param several the key that takes a list of choices, for the hint when a list is given here
 */
export function numberFrom(low: number, high: number, several?: string) {
  const error = (issue: { readonly input?: unknown }) =>
    mustBeOne(issue.input, `a number from ${low} to ${high}`, several);
  return z.number({ error }).min(low, { error }).max(high, { error });
}

/**
 * Schema of a number strictly between `low` and `high`.
 * @param several the key that takes a list of choices, for the hint when a list is given here
 */
export function numberBetween(low: number, high: number, several?: string) {
  const error = (issue: { readonly input?: unknown }) =>
    mustBeOne(issue.input, `a number above ${low} and below ${high}`, several);
  return z.number({ error }).gt(low, { error }).lt(high, { error });
}

export function yesOrNo() {
  return z.boolean({ error: (issue) => mustBe(issue.input, "true or false") });
}

export function oneOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, {
    error: (issue) => oneOfMessage(issue.input, values),
  });
}

/**
 * Makes the error message of a union whose variants differ by `name`. `refused` maps names that POT has and
 * quantfleet does not support to the reason and the remedy.
 */
export function nameRequired(requirement: string, refused: Readonly<Record<string, string>>) {
  return (issue: z.core.$ZodRawIssue): string => {
    if (issue.code !== "invalid_union" || issue.discriminator === undefined) {
      return mustBe(issue.input, requirement);
    }
    const given: unknown = Object(issue.input)[issue.discriminator];
    const known = typeof given === "string" ? (refused[given] ?? refused[given.toLowerCase()]) : undefined;
    if (known !== undefined) return `is "${given}", which ${known}`;
    return oneOfMessage(given, namesOf(issue.options));
  };
}

function namesOf(options: unknown): readonly string[] {
  return Array.isArray(options) ? options.filter((name) => typeof name === "string") : [];
}

/**
 * The message that a value is none of the known words, with the word that was probably meant.
 *
 * @param more what else is allowed, appended to the list of known words
 */
export function oneOfMessage(given: unknown, known: readonly string[], more = ""): string {
  const meant = typeof given === "string" ? nearest(given, known) : undefined;
  const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
  return `${mustBe(given, `${listed(known)}${more}`)}${hint}`;
}

export function text(longest: number, requirement: string) {
  const error = (issue: { readonly input?: unknown }) => mustBe(issue.input, requirement);
  return z.string({ error }).min(1, { error }).max(longest, { error });
}

/** Schema of a list of `least` to `most` different elements. */
export function distinct<Element extends z.ZodType<string | number>>(
  element: Element,
  least: number,
  most: number,
) {
  const requirement = `a list of ${least} to ${most} different values`;
  const error = (issue: { readonly input?: unknown }) => mustBe(issue.input, requirement);
  return z
    .array(element, { error })
    .min(least, { error })
    .max(most, { error })
    .refine((values) => new Set(values).size === values.length, { error });
}

/**
 * Schemas of keys that are accepted and have no effect, whatever their values. Each value becomes
 * `undefined`, so it is not part of the configuration's hash. `notesOf` reports the given ones with their
 * reasons.
 */
export function withoutEffect<const Key extends string>(reasons: Readonly<Record<Key, string>>) {
  const ignored = (reason: string) =>
    z
      .unknown()
      .transform((): undefined => undefined)
      .optional()
      .describe(`Accepted without effect: ${reason}.`);
  return Object.fromEntries(
    Object.entries<string>(reasons).map(([key, reason]) => [key, ignored(reason)]),
  ) as Record<Key, ReturnType<typeof ignored>>;
}

/**
 * Schema of a POT key of which only the values that describe quantfleet's own behaviour are accepted. The
 * value becomes `undefined`, so it is not part of the configuration's hash; other values are refused with
 * `reason`.
 */
export function fixed<
  const Values extends readonly [string | number | boolean, ...(string | number | boolean)[]],
>(values: Values, reason: string) {
  return z
    .literal(values, {
      error: (issue) => `is ${shown(issue.input)}, but can only be ${listed(values)}: ${reason}`,
    })
    .transform((): undefined => undefined)
    .optional()
    .describe("Only for compatibility with POT's files: the value describes what quantfleet always does.");
}
