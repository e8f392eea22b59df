import { findAlgorithm, rewritesFloatModel } from "../quantization/algorithms/algorithm-list.js";
import type { TunedAlgorithm } from "../quantization/space/algorithm-space.js";
import type { Problem } from "../validation/problem.js";
import type { AlgorithmConfiguration } from "./compression-schema.js";

/** Most rewritten forms of the float model that one run may choose among: statistics are gathered for each. */
const MAX_REWRITINGS = 8;

/** What the configuration lets the search decide of the algorithms beside the quantization. */
export function tunedAlgorithms(algorithms: readonly AlgorithmConfiguration[]): TunedAlgorithm[] {
  return algorithms.flatMap(({ name, params }): TunedAlgorithm[] => {
    const optional = "tune" in params && params.tune === true;
    const key = findAlgorithm(name)?.tunedSetting;
    const setting = key === undefined ? undefined : tunedSetting(key, params);
    if (setting === undefined) return optional ? [{ name, optional }] : [];
    return [{ name, optional, setting }];
  });
}

/** @returns `undefined` where the parameters list no choices */
function tunedSetting(key: string, params: object): TunedAlgorithm["setting"] {
  const { [key]: base, [`${key}_choices`]: listed } = params as Readonly<Record<string, unknown>>;
  if (typeof base !== "number" || !Array.isArray(listed)) return undefined;
  return { key, base, choices: [...new Set<number>([base, ...listed])].sort((a, b) => a - b) };
}

/**
 * The problem that the search could choose among more forms of the float model than allowed; `undefined`
 * otherwise.
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
