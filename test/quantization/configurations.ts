import fc from "fast-check";
import { ESTIMATOR_PRESETS } from "../../shared/quantization/space/range-estimator.js";
import { SEARCHED_AGGREGATORS, SIDE_TYPES, type Side } from "../../shared/quantization/space/space.js";
import type { EstimatorOverrides, TuningOptions } from "../../shared/quantization/space/tuning-options.js";
import type { Choice, Configuration, Space } from "../../shared/search/space/space.js";
import { ERROR_TYPES, type EstimatorType } from "../../shared/statistics/statistic-type.js";
import { tuningOptions } from "./small-net.js";

const OUTLIER_PROBS = [1e-3, 1e-4, 1e-5];

function pinnedSide(types: readonly EstimatorType[]): fc.Arbitrary<NonNullable<EstimatorOverrides["max"]>> {
  return fc.record(
    {
      type: fc.constantFrom(...types),
      aggregator: fc.constantFrom(...SEARCHED_AGGREGATORS),
      outlierProb: fc.constantFrom(0.01, 1e-3),
    },
    { requiredKeys: [] },
  );
}

const pinnedEstimator: fc.Arbitrary<EstimatorOverrides> = fc.record(
  {
    preset: fc.constantFrom(...ESTIMATOR_PRESETS),
    min: pinnedSide([...SIDE_TYPES.min, ...ERROR_TYPES]),
    max: pinnedSide([...SIDE_TYPES.max, ...ERROR_TYPES]),
  },
  { requiredKeys: [] },
);

/** Arbitrary tuning options for the CPU: any scopes, any pinned estimators. */
export const anyOptions: fc.Arbitrary<TuningOptions> = fc
  .record(
    {
      preset: fc.constantFrom("performance", "mixed"),
      tuningScope: fc
        .subarray(["bits", "mode", "granularity", "layer", "range_estimator"] as const)
        .map((scopes) => new Set(scopes)),
      estimatorScope: fc
        .subarray(["preset", "aggregator", "type", "outlier_prob"] as const)
        .map((scopes) => new Set(scopes)),
      outlierProbChoices: fc.subarray(OUTLIER_PROBS, { minLength: 1 }),
      presetChoices: fc.subarray([...ESTIMATOR_PRESETS], { minLength: 1 }),
      activations: fc.record({ rangeEstimator: pinnedEstimator }, { requiredKeys: [] }),
      rangeEstimator: pinnedEstimator,
    },
    { requiredKeys: [] },
  )
  .map((options) => tuningOptions(options));

/** Whether a parameter is active given the values set so far. */
export function isActive(parameter: Space[number], configuration: Configuration): boolean {
  const { when } = parameter;
  if (when === undefined) return true;
  const value = configuration[when.parameter];
  return value !== undefined && when.in.includes(value);
}

/** The configuration in which each active parameter's choice is selected by a draw from [0, 1). */
export function configurationAt(space: Space, draws: readonly number[]): Configuration {
  const configuration: Record<string, Choice> = {};
  space.forEach((parameter, i) => {
    if (!isActive(parameter, configuration)) return;
    const draw = draws[i % draws.length] ?? 0;
    configuration[parameter.name] = parameter.choices[Math.floor(draw * parameter.choices.length)]!;
  });
  return configuration;
}

export const draws = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
  minLength: 1,
  maxLength: 60,
});

/** Number of configurations of the parameters whose names start with `prefix`, by enumeration. */
export function countConfigurations(space: Space, prefix: string): number {
  const parameters = space.filter(({ name }) => name.startsWith(prefix));
  const count = (from: number, configuration: Configuration): number => {
    const parameter = parameters[from];
    if (parameter === undefined) return 1;
    if (!isActive(parameter, configuration)) return count(from + 1, configuration);
    return parameter.choices.reduce<number>(
      (sum, choice) => sum + count(from + 1, { ...configuration, [parameter.name]: choice }),
      0,
    );
  };
  return count(0, {});
}

export const SIDES: readonly Side[] = ["min", "max"];
