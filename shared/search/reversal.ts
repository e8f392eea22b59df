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

/**
 * The sensitivity wave (search.md, "The sampler"): for each group the base configuration with that group alone
 * reversed, so that all of them can run at once and tell what each group costs.
 *
 * @param sensitivity a score a group, larger first; groups without one come last, in the space's order
 * @param limit the most trials that the wave may take
 */
export function sensitivityWave(
  encoded: EncodedSpace,
  base: Codes,
  sensitivity: Readonly<Record<string, number>>,
  limit: number,
): Codes[] {
  return [...groupSwitches(encoded)]
    .filter(([, parameter]) => base[parameter] !== INACTIVE && encoded.cardinality[parameter]! > 1)
    .map(([group, parameter], position) => ({
      score: sensitivity[group] ?? Number.NEGATIVE_INFINITY,
      parameter,
      position,
    }))
    .sort((a, b) => (a.score === b.score ? a.position - b.position : b.score - a.score))
    .slice(0, limit)
    .map(({ parameter }) => reverse(encoded, base, parameter));
}
