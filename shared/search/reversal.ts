import { type Codes, type EncodedSpace, INACTIVE, isActive } from "./encoding.js";

/** A group's switch: its first parameter that always exists, or its first one. Parameters as indices. */
export function groupSwitches(encoded: EncodedSpace): Map<string, number> {
  const switches = new Map<string, number>();
  for (const [d, { group }] of encoded.space.entries()) {
    const known = switches.get(group);
    if (known === undefined || (encoded.parent[known]! >= 0 && encoded.parent[d]! < 0)) {
      switches.set(group, d);
    }
  }
  return switches;
}

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
  readonly group: string;
  readonly parameter: number;
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
  const score = ({ group }: SingleReversal): number => sensitivity[group] ?? Number.NEGATIVE_INFINITY;
  return [...groupSwitches(encoded)]
    .filter(([, parameter]) => base[parameter] !== INACTIVE && encoded.cardinality[parameter]! > 1)
    .map(([group, parameter]) => ({ group, parameter, codes: reverse(encoded, base, parameter) }))
    .sort((a, b) => (score(a) === score(b) ? 0 : score(b) - score(a)));
}

/** The configuration with a group's parameters as they are in another one. */
export function restore(encoded: EncodedSpace, codes: Codes, parameter: number, from: Codes): Codes {
  const { group } = encoded.space[parameter]!;
  return codes.map((code, d) => (encoded.space[d]!.group === group ? from[d]! : code));
}
