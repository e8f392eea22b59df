import { ConfigurationError } from "../../basics/errors.js";
import type { Choice, Configuration, Space } from "./space.js";
import { validateSpace } from "./space-document.js";

/** The code of a parameter that is inactive (does not exist) in a configuration. */
export const INACTIVE = -1;

/** A configuration as integers: for every parameter the index of its choice, or {@link INACTIVE}. */
export type Codes = Int16Array;

/**
 * A space as flat arrays indexed by parameter, so that the sampler works on integers alone. Parameters keep
 * the order of the space, in which a parent comes before its children.
 */
export interface EncodedSpace {
  readonly space: Space;
  /** Number of parameters of the space. */
  readonly size: number;
  /** Number of choices of each parameter. */
  readonly cardinality: Int32Array;
  /**
   * Index of each parameter's first choice in an array of the choices of all parameters, concatenated; length
   * `size + 1`.
   */
  readonly offset: Int32Array;
  /** 1 for parameters whose choices are ordered. */
  readonly ordinal: Uint8Array;
  /** For each parameter the index of the one on which it is conditional, or -1. */
  readonly parent: Int32Array;
  /** For each parameter the indices of those that are conditional on it. */
  readonly children: readonly Int32Array[];
  /** For each parameter and each choice of its parent, 1 where the parameter is active; empty without a parent. */
  readonly existsFor: readonly Uint8Array[];
  /** Groups of parameters (those of the same ops), in the order in which the space first names them. */
  readonly groups: readonly EncodedGroup[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly codeOf: readonly ReadonlyMap<Choice, number>[];
}

/** One group of parameters (those of the same ops or tensors), each as its index in the space. */
export interface EncodedGroup {
  readonly name: string;
  /**
   * Index of the group's first unconditional parameter, which decides whether its ops are quantized; of its
   * first parameter where it has no unconditional one.
   */
  readonly switch: number;
  readonly members: readonly number[];
}

/** @throws ConfigurationError when the space contradicts itself */
export function encodeSpace(space: Space): EncodedSpace {
  validateSpace(space);
  const size = space.length;
  const cardinality = Int32Array.from(space, ({ choices }) => choices.length);
  const offset = new Int32Array(size + 1);
  for (let d = 0; d < size; d++) {
    offset[d + 1] = offset[d]! + cardinality[d]!;
  }
  const indexOf = new Map(space.map(({ name }, d) => [name, d]));
  const codeOf = space.map(({ choices }) => new Map(choices.map((choice, code) => [choice, code])));
  const parent = Int32Array.from(space, ({ when }) =>
    when === undefined ? -1 : (indexOf.get(when.parameter) ?? -1),
  );
  const existsFor = space.map(({ when }, d) =>
    when === undefined
      ? new Uint8Array()
      : Uint8Array.from(space[parent[d]!]!.choices, (choice) => (when.in.includes(choice) ? 1 : 0)),
  );
  const children = space.map((_, d) =>
    Int32Array.from([...parent.keys()].filter((child) => parent[child] === d)),
  );
  return {
    space,
    size,
    cardinality,
    offset,
    ordinal: Uint8Array.from(space, ({ kind }) => (kind === "ordinal" ? 1 : 0)),
    parent,
    children,
    existsFor,
    groups: encodeGroups(space),
    indexOf,
    codeOf,
  };
}

function encodeGroups(space: Space): EncodedGroup[] {
  const members = new Map<string, number[]>();
  for (const [d, { group }] of space.entries()) {
    const known = members.get(group);
    if (known === undefined) {
      members.set(group, [d]);
    } else {
      known.push(d);
    }
  }
  return Array.from(members, ([name, indices]) => ({
    name,
    switch: indices.find((d) => space[d]!.when === undefined) ?? indices[0]!,
    members: indices,
  }));
}

/** Whether parameter `d` is active, given the codes of the parameters before it. */
export function isActive(encoded: EncodedSpace, codes: Codes, d: number): boolean {
  const parent = encoded.parent[d]!;
  if (parent < 0) {
    return true;
  }
  const code = codes[parent]!;
  return code !== INACTIVE && encoded.existsFor[d]![code] === 1;
}

/**
 * Makes an encoded configuration valid again after some codes were changed: parameters that become active take
 * their first choice, which is the default, and those that become inactive take {@link INACTIVE}.
 *
 * @param codes changed in place
 * @param changed the parameters whose codes were changed, in the space's order; if given, only they and what
 *   depends on them are checked, which saves a pass over a large space
 */
export function repairActivity(
  encoded: EncodedSpace,
  codes: Codes,
  changed: readonly number[] | undefined = undefined,
): Codes {
  // Parents come first, so each parameter is repaired before its children.
  if (changed === undefined) {
    for (let d = 0; d < encoded.size; d++) {
      repairParameter(encoded, codes, d);
    }
  } else {
    for (const d of changed) {
      repairBelow(encoded, codes, d);
    }
  }
  return codes;
}

function repairBelow(encoded: EncodedSpace, codes: Codes, d: number): void {
  repairParameter(encoded, codes, d);
  for (const child of encoded.children[d]!) {
    repairBelow(encoded, codes, child);
  }
}

function repairParameter(encoded: EncodedSpace, codes: Codes, d: number): void {
  if (!isActive(encoded, codes, d)) {
    codes[d] = INACTIVE;
  } else if (codes[d] === INACTIVE) {
    codes[d] = 0;
  }
}

/** @throws ConfigurationError when a value is missing, unknown, or given for an inactive parameter */
export function encodeConfiguration(encoded: EncodedSpace, configuration: Configuration): Codes {
  const codes = new Int16Array(encoded.size).fill(INACTIVE);
  let active = 0;
  for (let d = 0; d < encoded.size; d++) {
    const { name } = encoded.space[d]!;
    if (!isActive(encoded, codes, d)) {
      continue;
    }
    const choice = configuration[name];
    const code = choice === undefined ? undefined : encoded.codeOf[d]!.get(choice);
    if (code === undefined) {
      const problem =
        choice === undefined
          ? "has no value"
          : `has the value ${JSON.stringify(choice)}, not one of its choices`;
      throw new ConfigurationError(
        `configuration.${name}: the parameter ${problem}; give one of ${JSON.stringify(encoded.space[d]!.choices)}.`,
        `configuration.${name}`,
      );
    }
    codes[d] = code;
    active++;
  }
  if (active !== Object.keys(configuration).length) {
    const stray = Object.keys(configuration).find((name) => {
      const d = encoded.indexOf.get(name);
      return d === undefined || codes[d] === INACTIVE;
    });
    throw new ConfigurationError(
      `configuration.${stray}: the parameter does not exist in this configuration; leave it out.`,
      `configuration.${stray}`,
    );
  }
  return codes;
}

export function decodeConfiguration(encoded: EncodedSpace, codes: Codes): Configuration {
  const configuration: Record<string, Choice> = {};
  for (let d = 0; d < encoded.size; d++) {
    const code = codes[d]!;
    if (code !== INACTIVE) {
      const { name, choices } = encoded.space[d]!;
      configuration[name] = choices[code]!;
    }
  }
  return configuration;
}

const characters = new TextDecoder("utf-16le", { ignoreBOM: true });

/**
 * A string that is equal exactly for equal configurations of one space. Codes are decoded as UTF-16, the
 * fastest way (one ask makes dozens of keys); a parameter never has enough choices to reach the surrogates at
 * 0xD800.
 */
export function codesKey(codes: Codes): string {
  return characters.decode(codes);
}

/** Number of configurations in the space; `Infinity` beyond the range of a double. */
export function countConfigurations(encoded: EncodedSpace): number {
  // Children come after their parents, so walking backwards counts a parameter's subtree before the parameter
  // itself.
  const configurations = new Float64Array(encoded.size);
  for (let d = encoded.size - 1; d >= 0; d--) {
    for (let code = 0; code < encoded.cardinality[d]!; code++) {
      let product = 1;
      for (const child of encoded.children[d]!) {
        product *= encoded.existsFor[child]![code] === 1 ? configurations[child]! : 1;
      }
      configurations[d]! += product;
    }
  }
  return configurations.reduce(
    (product, count, d) => (encoded.parent[d]! < 0 ? product * count : product),
    1,
  );
}

/** Yields every configuration of the space, the last parameter changing fastest, each as a new array. */
export function* enumerateConfigurations(encoded: EncodedSpace): Generator<Codes> {
  const codes = new Int16Array(encoded.size).fill(INACTIVE);
  function* from(d: number): Generator<Codes> {
    if (d === encoded.size) {
      yield codes.slice();
      return;
    }
    if (!isActive(encoded, codes, d)) {
      codes[d] = INACTIVE;
      yield* from(d + 1);
      return;
    }
    for (let code = 0; code < encoded.cardinality[d]!; code++) {
      codes[d] = code;
      yield* from(d + 1);
    }
    codes[d] = INACTIVE;
  }
  yield* from(0);
}
