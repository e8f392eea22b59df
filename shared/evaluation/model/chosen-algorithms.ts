import type { QuantizationSettings } from "../../configuration/quantization-settings.js";
import type { ConfiguredAlgorithm } from "../../quantization/algorithms/algorithm.js";
import {
  algorithmChoice,
  algorithmSpace,
  applyName,
  type TunedAlgorithm,
} from "../../quantization/space/algorithm-space.js";
import type { Configuration } from "../../search/space/space.js";

/**
 * The quantization settings with the tuned algorithms (those that the search decides on) as a configuration
 * chooses them: left out, or with the chosen value of their tuned setting.
 */
export function withChosenAlgorithms(
  settings: QuantizationSettings,
  tuned: readonly TunedAlgorithm[],
  configuration: Configuration,
): QuantizationSettings {
  const algorithms = settings.algorithms.flatMap((each): ConfiguredAlgorithm[] => {
    const found = tuned.find(({ name }) => name === each.algorithm.name);
    if (found === undefined) return [each];
    const { applied, setting } = algorithmChoice(found, configuration);
    if (!applied) return [];
    if (found.setting === undefined) return [each];
    return [{ ...each, settings: { ...each.settings, [found.setting.key]: setting } }];
  });
  return { ...settings, algorithms };
}

/**
 * The choices of the tuned algorithms that stand for fixed settings: in a run that did not tune these
 * algorithms, all trials had them as its settings say.
 *
 * @param tuned the algorithms whose choices are wanted
 * @param fixed the settings of the run that did not tune them
 */
export function fixedAlgorithmChoices(
  tuned: readonly TunedAlgorithm[],
  fixed: QuantizationSettings,
): Configuration {
  return Object.assign({}, ...tuned.map((algorithm) => fixedChoices(algorithm, fixed)));
}

function fixedChoices(tuned: TunedAlgorithm, { algorithms }: QuantizationSettings): Configuration {
  const { name, optional, setting } = tuned;
  const fixed = algorithms.find(({ algorithm }) => algorithm.name === name);
  if (fixed === undefined) return optional ? { [applyName(name)]: false } : {};
  if (setting === undefined) return algorithmSpace([tuned]).base;
  const { [setting.key]: base = setting.base } = fixed.settings as unknown as Record<string, number>;
  return algorithmSpace([{ ...tuned, setting: { ...setting, base } }]).base;
}

/** A key of the algorithms and their settings, equal for settings whose algorithms do the same. */
export function algorithmsKey({ algorithms }: QuantizationSettings): string {
  return JSON.stringify(algorithms.map(({ algorithm, settings }) => [algorithm.name, settings]));
}
