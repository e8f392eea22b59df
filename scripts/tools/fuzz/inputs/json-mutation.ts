import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { oneOf } from "./choose.js";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The path of a value in a JSON document: keys and indices. */
export type JsonPath = readonly (string | number)[];

const STRINGS = [
  "",
  " ",
  "a\nb",
  "\u0000",
  "../../etc",
  "/",
  ".",
  "s3://bucket/key",
  "__proto__",
  "constructor",
  "toString",
  "NaN",
  "None",
  "é∂😀",
  "\ud800",
  "x".repeat(5_000),
  "%s%n",
  "1e999",
];
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  2,
  0.5,
  -0.5,
  1e-320,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e21,
];
const OTHERS: readonly Json[] = [null, true, false, [], {}, [[]], [null], [{}]];
/** Names of the mutations that make a document much larger. */
const GROWING: ReadonlySet<string> = new Set(["grow", "nest"]);
const DEPTH = 500;
const MANY = 2_000;

function interesting(random: RandomStream): Json {
  return oneOf<() => Json>(random, [
    () => oneOf(random, STRINGS),
    () => oneOf(random, NUMBERS),
    () => oneOf(random, OTHERS),
  ])();
}

type Mutation = (value: Json, random: RandomStream) => Json;

const REPLACEMENTS: Readonly<Record<string, Mutation>> = {
  replace: (_, random) => interesting(random),
  near: (value, random) => {
    if (typeof value === "number")
      return oneOf(random, [value + 1, value - 1, -value, value * 1e6, value / 1e6, value + 0.5]);
    if (typeof value === "boolean") return !value;
    if (typeof value === "string")
      return oneOf(random, [`${value}x`, value.slice(1), value.toUpperCase(), value + value, `${value} `]);
    return value;
  },
  text: (value) => JSON.stringify(value),
  wrap: (value, random) => (random.below(2) === 0 ? [value] : { value }),
  nest: (value) => {
    let nested: Json = value;
    for (let i = 0; i < DEPTH; i++) nested = i % 2 === 0 ? [nested] : { a: nested };
    return nested;
  },
  grow: (value) => {
    if (Array.isArray(value)) return Array.from({ length: MANY }, (_, i) => value[i % value.length] ?? i);
    if (typeof value === "string") return value.repeat(1 + Math.ceil(MANY / Math.max(1, value.length)));
    return Array.from({ length: MANY }, () => value);
  },
  shrink: (value) => {
    if (Array.isArray(value)) return value.slice(1);
    if (typeof value === "object" && value !== null)
      return Object.fromEntries(Object.entries(value).slice(1));
    return null;
  },
  twice: (value) => (Array.isArray(value) ? [...value, ...value] : [value, value]),
  extend: (value, random) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return { value };
    const key = oneOf(random, [...Object.keys(value).map((known) => `${known}s`), ...STRINGS.slice(0, 12)]);
    return Object.fromEntries([...Object.entries(value), [key, interesting(random)]]);
  },
  rename: (value, random) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const entries = Object.entries(value);
    if (entries.length === 0) return value;
    const place = random.below(entries.length);
    return Object.fromEntries(
      entries.map(([key, inner], i) => [
        i === place ? oneOf(random, [`${key}_`, key.slice(1), "__proto__"]) : key,
        inner,
      ]),
    );
  },
};

/** Names of the mutations of a JSON value; `remove` deletes it, `swap` replaces it by the value at another path. */
export const JSON_MUTATIONS = [...Object.keys(REPLACEMENTS), "remove", "swap"];

/** The paths of a JSON value and of all values within it. */
export function pathsOf(value: Json, path: JsonPath = []): JsonPath[] {
  const inner: [string | number, Json][] = Array.isArray(value)
    ? [...value.entries()]
    : typeof value === "object" && value !== null
      ? Object.entries(value)
      : [];
  return [path, ...inner.flatMap(([key, child]) => pathsOf(child, [...path, key]))];
}

export function valueAt(value: Json, path: JsonPath): Json {
  let found = value;
  for (const key of path) found = (found as Record<string | number, Json>)[key]!;
  return found;
}

/** A copy of a JSON value with another value at a path; `undefined` deletes the value there. */
export function withValueAt(value: Json, path: JsonPath, replacement: Json | undefined): Json {
  const [key, ...rest] = path;
  if (key === undefined) return replacement ?? null;
  const change = (child: Json): Json | undefined =>
    rest.length === 0 ? replacement : withValueAt(child, rest, replacement);
  if (Array.isArray(value))
    return value.flatMap((child: Json, i): Json[] => {
      const changed = i === key ? change(child) : child;
      return changed === undefined ? [] : [changed];
    });
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).flatMap(([name, child]) => {
      const changed = name === key ? change(child) : child;
      return changed === undefined ? [] : [[name, changed]];
    }),
  );
}

/** A copy of a document with the named mutation at a random path. */
export function mutateJson(document: Json, random: RandomStream, mutation: string): Json {
  const paths = pathsOf(document);
  const path = oneOf(random, paths);
  if (mutation === "remove") return withValueAt(document, path, undefined);
  if (mutation === "swap") return withValueAt(document, path, valueAt(document, oneOf(random, paths)));
  return withValueAt(document, path, REPLACEMENTS[mutation]!(valueAt(document, path), random));
}

/** Applies one to three mutations to a document. */
export function mutateJsonSomehow(
  document: Json,
  random: RandomStream,
): { readonly document: Json; readonly mutations: readonly string[] } {
  const drawn = Array.from({ length: 1 + random.below(3) }, () => oneOf(random, JSON_MUTATIONS));
  // A document that was enlarged is not mutated further: enlarged twice it would have millions of values.
  const mutations = [
    ...drawn.filter((name) => !GROWING.has(name)),
    ...drawn.filter((name) => GROWING.has(name)).slice(0, 1),
  ];
  let changed = document;
  for (const mutation of mutations) changed = mutateJson(changed, random, mutation);
  return { document: changed, mutations };
}
