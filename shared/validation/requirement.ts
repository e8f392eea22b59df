import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";

/**
 * The schema's building blocks. Every one carries the sentence that refuses a value: zod's own texts name
 * neither the value nor the whole range. A message is a predicate, to which the JSON path is the subject.
 */

const SHOWN_CHARACTERS = 48;
/** A further key than this is more likely a different word than a slip. */
const LARGEST_SLIP = 0.4;

/** A value as a message shows it: short, and never the content of a large object. */
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

/** Says of a list where several values go, where they have a place. */
function mustBeOne(value: unknown, requirement: string, several: string | undefined): string {
  const hint =
    Array.isArray(value) && several !== undefined ? `; list values to choose from in ${several}` : "";
  return `${mustBe(value, requirement)}${hint}`;
}

/** `"a"`, `"a" or "b"`, `"a", "b" or "c"`. */
export function listed(values: readonly (string | number | boolean | null)[]): string {
  const quoted = values.map((value) => JSON.stringify(value));
  const last = quoted.pop() ?? "";
  return quoted.length === 0 ? last : `${quoted.join(", ")} or ${last}`;
}

/** The known word that `word` was probably meant to be. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const candidate = closest(word.toLowerCase(), known.map((name) => name.toLowerCase()) as string[]);
  const match = known.find((name) => name.toLowerCase() === candidate);
  if (match === undefined) return undefined;
  return slip(word.toLowerCase(), candidate) <= LARGEST_SLIP ? match : undefined;
}

function slip(word: string, candidate: string): number {
  return distance(word, candidate) / Math.max(word.length, candidate.length, 1);
}

/** An object of fixed keys. `refused` holds the keys that POT knows and that mean nothing here: why, and the remedy. */
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

/** How the refusal of a key begins that no table knows. */
export const UNKNOWN_KEY = "is not a known key";

/** A whole number from `low` to `high`, both included. */
export function wholeNumber(low: number, high: number) {
  const error = (issue: { readonly input?: unknown }) =>
    mustBe(issue.input, `a whole number from ${low} to ${high}`);
  return z.int({ error }).min(low, { error }).max(high, { error });
}

/**
 * A number from `low` to `high`, both included.
 * @param several the key that lists values to choose from
 */
export function numberFrom(low: number, high: number, several?: string) {
  const error = (issue: { readonly input?: unknown }) =>
    mustBeOne(issue.input, `a number from ${low} to ${high}`, several);
  return z.number({ error }).min(low, { error }).max(high, { error });
}

/**
 * A number strictly between `low` and `high`.
 * @param several the key that lists values to choose from
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
 * The refusal of a union whose variants `name` tells apart. `refused` holds the names that POT knows and that
 * are not offered here: why, and the remedy.
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

/** @param more what may stand in place of the known words */
export function oneOfMessage(given: unknown, known: readonly string[], more = ""): string {
  const meant = typeof given === "string" ? nearest(given, known) : undefined;
  const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
  return `${mustBe(given, `${listed(known)}${more}`)}${hint}`;
}

export function text(longest: number, requirement: string) {
  const error = (issue: { readonly input?: unknown }) => mustBe(issue.input, requirement);
  return z.string({ error }).min(1, { error }).max(longest, { error });
}

/** A list of `least` to `most` elements, none twice. */
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
 * Keys that are accepted and change nothing, whatever their values; each becomes `undefined`, so that it does not enter
 * the configuration's hash. `notesOf` says of those that are given why they have no effect.
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
 * A key of POT's that is accepted where its value asks for what happens here anyway; it becomes `undefined`, so
 * that it does not enter the configuration's hash. Any other value is refused with `reason`.
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
    .describe("Only in files made for POT: this is what happens anyway.");
}
