import type { QuantizationSettings } from "../../configuration/quantization-settings.js";
import {
  applyName,
  type CompanionName,
  chosenCompanion,
  companionSpace,
  type TunedCompanion,
} from "../../quantization/space/algorithm-space.js";
import type { Configuration } from "../../search/space/space.js";

const SECTION = {
  CrossLayerEqualization: "layerEqualization",
  SmoothQuant: "smoothing",
  ActivationChannelAlignment: "channelAlignment",
  AdaptiveRounding: "adaptiveRounding",
  WeightBiasCorrection: "weightBiasCorrection",
  FastBiasCorrection: "biasCorrection",
  BiasCorrection: "biasCorrection",
} as const satisfies Record<CompanionName, keyof QuantizationSettings>;

/**
 * The settings with some of the companions as a configuration chooses them: left out, or with the chosen value of their
 * own setting.
 */
export function withChosenCompanions(
  settings: QuantizationSettings,
  companions: readonly TunedCompanion[],
  configuration: Configuration,
): QuantizationSettings {
  let chosen = settings;
  for (const companion of companions) chosen = withChosen(chosen, companion, configuration);
  return chosen;
}

function withChosen(
  settings: QuantizationSettings,
  companion: TunedCompanion,
  configuration: Configuration,
): QuantizationSettings {
  const { applied, setting } = chosenCompanion(companion, configuration);
  const { [SECTION[companion.name]]: _, ...without } = settings;
  if (!applied) return without;
  const { smoothing, biasCorrection } = settings;
  if (setting === undefined) return settings;
  switch (companion.setting?.key) {
    case "alpha":
      return smoothing === undefined
        ? settings
        : { ...settings, smoothing: { ...smoothing, alpha: setting } };
    case "threshold":
      return biasCorrection === undefined
        ? settings
        : { ...settings, biasCorrection: { ...biasCorrection, threshold: setting } };
    case undefined:
      return settings;
  }
}

/**
 * What settings that another configuration fixed come to as choices: where a run's trials have no parameter for a
 * companion that this one tunes, all of them had it as these say.
 *
 * @param companions that are tuned here
 */
export function companionChoices(
  companions: readonly TunedCompanion[],
  fixed: QuantizationSettings,
): Configuration {
  return Object.assign({}, ...companions.map((companion) => fixedChoices(companion, fixed)));
}

function fixedChoices(companion: TunedCompanion, fixed: QuantizationSettings): Configuration {
  const { name, optional, setting } = companion;
  const isSequential = fixed.biasCorrection?.sequential === true;
  const isOther = SECTION[name] === "biasCorrection" && isSequential !== (name === "BiasCorrection");
  if (fixed[SECTION[name]] === undefined || isOther) return optional ? { [applyName(name)]: false } : {};
  const value = setting?.key === "alpha" ? fixed.smoothing?.alpha : fixed.biasCorrection?.threshold;
  if (setting === undefined || value === undefined) return companionSpace([companion]).base;
  return companionSpace([{ ...companion, setting: { ...setting, base: value } }]).base;
}

/** Names how the companions are set: equal exactly where they do the same. */
export function companionsKey(settings: QuantizationSettings): string {
  const sections = [...new Set(Object.values(SECTION))];
  return JSON.stringify(sections.map((section) => settings[section] ?? null));
}
