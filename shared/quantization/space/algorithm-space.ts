import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import type { TuningSpace } from "./space.js";

/** The algorithms beside the quantization (docs/quantization.md, "Companions"). */
export const COMPANION_NAMES = [
  "CrossLayerEqualization",
  "SmoothQuant",
  "ActivationChannelAlignment",
  "AdaptiveRounding",
  "WeightBiasCorrection",
  "FastBiasCorrection",
  "BiasCorrection",
] as const;

export type CompanionName = (typeof COMPANION_NAMES)[number];

/** What the search decides of a companion. */
export interface TunedCompanion {
  readonly name: CompanionName;
  /** Whether trials may leave it out. */
  readonly optional: boolean;
  /** A setting of its own that trials choose: the base's value, which is one of the choices, and these in rising order. */
  readonly setting?: {
    readonly key: "alpha" | "threshold";
    readonly base: number;
    readonly choices: readonly number[];
  };
}

/** What a configuration chooses for a companion. */
export interface ChosenCompanion {
  readonly applied: boolean;
  readonly setting: number | undefined;
}

/** Those that rewrite the float model, so that statistics differ with what is chosen for them. */
const REWRITING: ReadonlySet<CompanionName> = new Set([
  "CrossLayerEqualization",
  "SmoothQuant",
  "ActivationChannelAlignment",
]);

export function rewritesFloatModel({ name }: TunedCompanion): boolean {
  return REWRITING.has(name);
}

export function applyName(companion: CompanionName): string {
  return `${companion}/apply`;
}

/** The name of the parameter of a companion's own setting. */
function settingName({ name, setting }: TunedCompanion): string {
  return `${name}/${setting?.key}`;
}

/**
 * The parameters of companions that the search decides on: a switch, and a setting that exists while it is on. They are
 * of the whole model, so each is a family of its own, and its group is the algorithm. All are done in the base.
 */
export function companionSpace(tuned: readonly TunedCompanion[]): TuningSpace {
  const parameters: Parameter[] = [];
  const base: Record<string, Choice> = {};
  for (const companion of tuned) {
    const { name: group, optional, setting } = companion;
    const apply = applyName(group);
    if (optional) {
      parameters.push({ name: apply, group, family: apply, kind: "categorical", choices: [true, false] });
      base[apply] = true;
    }
    if (setting !== undefined && setting.choices.length > 1) {
      const name = settingName(companion);
      parameters.push({
        name,
        group,
        family: name,
        kind: "ordinal",
        choices: setting.choices,
        ...(optional ? { when: { parameter: apply, in: [true] } } : {}),
      });
      base[name] = setting.base;
    }
  }
  return { parameters, base, defaults: base };
}

/** What a configuration chooses for a companion; where it says nothing, what the base has. */
export function chosenCompanion(companion: TunedCompanion, configuration: Configuration): ChosenCompanion {
  const { name, setting } = companion;
  const chosen = configuration[settingName(companion)];
  return {
    applied: configuration[applyName(name)] !== false,
    setting: typeof chosen === "number" ? chosen : setting?.base,
  };
}
