import { type Codes, type EncodedGroup, type EncodedSpace, INACTIVE, repairActivity } from "./encoding.js";

/**
 * Returns the configuration with one parameter moved to its next choice (of two choices, the other one).
 * Parameters that become active take their default ({@link repairActivity}).
 */
export function toggleParameter(encoded: EncodedSpace, codes: Codes, parameter: number): Codes {
  const toggled = codes.slice();
  toggled[parameter] = (codes[parameter]! + 1) % encoded.cardinality[parameter]!;
  return repairActivity(encoded, toggled, [parameter]);
}

/**
 * A base configuration with the switch of one group toggled (the parameter that decides whether its ops are
 * quantized).
 */
export interface GroupToggle {
  readonly group: EncodedGroup;
  readonly codes: Codes;
}

/**
 * Returns, for each group whose switch (quantized or float) is active in the base configuration and has a
 * second choice, the base with that group alone toggled.
 *
 * @param sensitivity a score per group name, by which the result is sorted in descending order; groups without
 *   a score come last, in the space's order
 */
export function groupToggles(
  encoded: EncodedSpace,
  base: Codes,
  sensitivity: Readonly<Record<string, number>> = {},
): GroupToggle[] {
  const score = ({ group }: GroupToggle): number => sensitivity[group.name] ?? Number.NEGATIVE_INFINITY;
  return encoded.groups
    .filter((group) => base[group.switch] !== INACTIVE && encoded.cardinality[group.switch]! > 1)
    .map((group) => ({ group, codes: toggleParameter(encoded, base, group.switch) }))
    .sort((a, b) => (score(a) === score(b) ? 0 : score(b) - score(a)));
}

/**
 * Returns `codes` with one group's parameters copied from the configuration `from`. Conditions on other
 * groups are respected: what becomes active or inactive is repaired ({@link repairActivity}).
 */
export function restoreGroup(
  encoded: EncodedSpace,
  codes: Codes,
  { members }: EncodedGroup,
  from: Codes,
): Codes {
  const restored = codes.slice();
  for (const d of members) {
    restored[d] = from[d]!;
  }
  return repairActivity(encoded, restored, members);
}
