import type { Choice, Configuration, Parameter } from "../../search/space/space.js";
import type { TuningSpace } from "./space.js";

/** What the search decides about an algorithm (such as bias correction) beside the quantization. */
export interface TunedAlgorithm {
  readonly name: string;
  /** Whether trials may leave the algorithm out. */
  readonly optional: boolean;
  /**
   * A numeric setting that trials choose: its value in the base (preset) configuration, which is one of the
   * choices, and the choices in rising order.
   */
  readonly setting?: {
    readonly key: string;
    readonly base: number;
    readonly choices: readonly number[];
  };
}

/** What a trial's configuration chooses for an algorithm: whether it is applied, and its setting. */
export interface AlgorithmChoice {
  readonly applied: boolean;
  readonly setting: number | undefined;
}

export function applyName(algorithm: string): string {
  return `${algorithm}/apply`;
}

/** The name of the search parameter that chooses the algorithm's setting. */
function settingName({ name, setting }: TunedAlgorithm): string {
  return `${name}/${setting?.key}`;
}

/**
 * The search parameters of algorithms: each has a switch, and a setting that exists while the switch is on.
 * They apply to the whole model, so that each is a family of its own, in a group named after the algorithm. All
 * algorithms are on in the base (preset) configuration.
 */
export function algorithmSpace(tuned: readonly TunedAlgorithm[]): TuningSpace {
  const parameters: Parameter[] = [];
  const base: Record<string, Choice> = {};
  for (const algorithm of tuned) {
    const { name: group, optional, setting } = algorithm;
    const apply = applyName(group);
    if (optional) {
      parameters.push({ name: apply, group, family: apply, kind: "categorical", choices: [true, false] });
      base[apply] = true;
    }
    if (setting !== undefined && setting.choices.length > 1) {
      const name = settingName(algorithm);
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

/** Returns what a configuration chooses for an algorithm; the base's choice where the configuration has none. */
export function algorithmChoice(algorithm: TunedAlgorithm, configuration: Configuration): AlgorithmChoice {
  const { name, setting } = algorithm;
  const chosen = configuration[settingName(algorithm)];
  return {
    applied: configuration[applyName(name)] !== false,
    setting: typeof chosen === "number" ? chosen : setting?.base,
  };
}
