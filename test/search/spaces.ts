import type { Space } from "../../shared/search/space/space.js";

/** For each layer a switch with a conditional mode, estimator and ordinal outlier level. */
export function layeredSpace(layers: number): Space {
  return Array.from({ length: layers }, (_, layer) => {
    const group = `layer${layer}`;
    const quantized = { parameter: `${group}.quantize`, in: [true] };
    return [
      { name: `${group}.quantize`, group, kind: "categorical", choices: [true, false] },
      {
        name: `${group}.mode`,
        group,
        kind: "categorical",
        choices: ["symmetric", "asymmetric"],
        when: quantized,
      },
      {
        name: `${group}.estimator`,
        group,
        kind: "categorical",
        choices: ["max", "mean", "quantile"],
        when: quantized,
      },
      {
        name: `${group}.outlier`,
        group,
        kind: "ordinal",
        choices: [1e-5, 1e-4, 1e-3],
        when: { parameter: `${group}.estimator`, in: ["quantile"] },
      },
    ] satisfies Space;
  }).flat();
}

/** Unconditional categorical parameters, one per layer. */
export function flatSpace(layers: number, choices: number): Space {
  return Array.from({ length: layers }, (_, layer) => ({
    name: `layer${layer}`,
    group: `layer${layer}`,
    kind: "categorical" as const,
    choices: Array.from({ length: choices }, (_, code) => code),
  }));
}

/**
 * {@link layeredSpace} with an additional ordinal and an additional categorical parameter, both
 * unconditional.
 */
export function mixedSpace(layers: number): Space {
  return [
    ...layeredSpace(layers),
    { name: "level", group: "level", kind: "ordinal", choices: [1, 2, 3, 4, 5] },
    { name: "scheme", group: "scheme", kind: "categorical", choices: ["a", "b", "c", "d"] },
  ];
}
