import { type Codes, type EncodedGroup, type EncodedSpace, INACTIVE, isActive } from "./encoding.js";

/**
 * The configuration with one parameter moved to its next choice, which for a switch is the other one. Parameters
 * that come into existence take their first choice, the space's default.
 */
export function reverse(encoded: EncodedSpace, codes: Codes, parameter: number): Codes {
  const reversed = codes.slice();
  reversed[parameter] = (codes[parameter]! + 1) % encoded.cardinality[parameter]!;
  for (let d = 0; d < encoded.size; d++) {
    if (!isActive(encoded, reversed, d)) {
      reversed[d] = INACTIVE;
    } else if (reversed[d] === INACTIVE) {
      reversed[d] = 0;
    }
  }
  return reversed;
}

/** A configuration with one group's switch reversed. */
export interface SingleReversal {
  readonly group: EncodedGroup;
  readonly codes: Codes;
}

/**
 * For each group whose switch exists in the base and can be reversed, the base with that group alone reversed.
 *
 * @param sensitivity a score a group, larger first; groups without one come last, in the space's order
 */
export function singleReversals(
  encoded: EncodedSpace,
  base: Codes,
  sensitivity: Readonly<Record<string, number>> = {},
): SingleReversal[] {
  const score = ({ group }: SingleReversal): number => sensitivity[group.name] ?? Number.NEGATIVE_INFINITY;
  return encoded.groups
    .filter((group) => base[group.switch] !== INACTIVE && encoded.cardinality[group.switch]! > 1)
    .map((group) => ({ group, codes: reverse(encoded, base, group.switch) }))
    .sort((a, b) => (score(a) === score(b) ? 0 : score(b) - score(a)));
}

/** The configuration with a group's parameters as they are in another one. */
export function restore(codes: Codes, { members }: EncodedGroup, from: Codes): Codes {
  const restored = codes.slice();
  for (const d of members) {
    restored[d] = from[d]!;
  }
  return restored;
}
