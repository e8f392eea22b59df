import { type Codes, type EncodedGroup, type EncodedSpace, INACTIVE, repairActivity } from "./encoding.js";

/**
 * The configuration with one parameter moved to its next choice, which for a switch is the other one. What that brings
 * into existence takes its default ({@link repairActivity}).
 */
export function reverse(encoded: EncodedSpace, codes: Codes, parameter: number): Codes {
  const reversed = codes.slice();
  reversed[parameter] = (codes[parameter]! + 1) % encoded.cardinality[parameter]!;
  return repairActivity(encoded, reversed, [parameter]);
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

/**
 * The configuration with a group's parameters as they are in another one, as far as the other groups let them exist and
 * with what that does to those that depend on them ({@link repairActivity}).
 */
export function restore(encoded: EncodedSpace, codes: Codes, { members }: EncodedGroup, from: Codes): Codes {
  const restored = codes.slice();
  for (const d of members) {
    restored[d] = from[d]!;
  }
  return repairActivity(encoded, restored, members);
}
