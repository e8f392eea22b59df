import { findAlgorithm, rewritesFloatModel } from "../quantization/algorithms/algorithm-list.js";
import type { TunedAlgorithm } from "../quantization/space/algorithm-space.js";
import type { Problem } from "../validation/problem.js";
import type { AlgorithmConfiguration } from "./compression-schema.js";

/**
 * Largest number of variants (rewritten forms of the float model) that one run may choose among: statistics are
 * gathered for each.
 */
const MAX_REWRITINGS = 8;

/**
 * The algorithms other than the quantization that the search decides on: whether to apply each, and which of its
 * choices.
 */
export function tunedAlgorithms(algorithms: readonly AlgorithmConfiguration[]): TunedAlgorithm[] {
  return algorithms.flatMap(({ name, params }): TunedAlgorithm[] => {
    const optional = "tune" in params && params.tune === true;
    const key = findAlgorithm(name)?.tunedSetting;
    const setting = key === undefined ? undefined : tunedSetting(key, params);
    if (setting === undefined) return optional ? [{ name, optional }] : [];
    return [{ name, optional, setting }];
  });
}

/**
 * The choices that the search has for the parameter `key` of an algorithm, its own value included; `undefined`
 * where the parameters list none.
 */
function tunedSetting(key: string, params: object): TunedAlgorithm["setting"] {
  const { [key]: base, [`${key}_choices`]: listed } = params as Readonly<Record<string, unknown>>;
  if (typeof base !== "number" || !Array.isArray(listed)) return undefined;
  return { key, base, choices: [...new Set<number>([base, ...listed])].sort((a, b) => a - b) };
}

/**
 * The problem of a configuration that lets the search choose among more than the allowed number of variants
 * (rewritten forms of the float model); `undefined` when it does not.
 */
export function tooManyRewritings(algorithms: readonly AlgorithmConfiguration[]): Problem | undefined {
  const rewriting = tunedAlgorithms(algorithms).filter(rewritesFloatModel);
  const ways = rewriting.map(({ optional, setting }) => (setting?.choices.length ?? 1) + (optional ? 1 : 0));
  const forms = ways.reduce((product, count) => product * count, 1);
  if (forms <= MAX_REWRITINGS) return undefined;
  const counted = rewriting.map(({ name }, i) => `${name} ${ways[i]}`).join(", ");
  return {
    path: "compression.algorithms",
    message: `lets the search choose among ${forms} forms of the float model (${counted}), but statistics are gathered for each of them and at most ${MAX_REWRITINGS} are allowed; give fewer choices, or leave out a tune`,
  };
}
