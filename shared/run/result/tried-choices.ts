import { type ParameterImportance, parameterImportance } from "../../search/effects/importance.js";
import type { Choice, Space } from "../../search/space/space.js";
import type { FinishedTrial } from "../../search/trials/sampler.js";

/** Outcomes of the trials with one choice of a parameter, and of those with another choice. */
export interface TriedChoice {
  readonly choice: Choice;
  readonly with: TrialSummary;
  /** Trials in which the parameter has another value. */
  readonly without: TrialSummary;
}

export interface TrialSummary {
  /** Number of trials, including those stopped early. */
  readonly trials: number;
  readonly pruned: number;
  readonly failed: number;
  /**
   * The smallest objective value over the complete trials, and in `accuracyLoss` the smallest percent of
   * accuracy lost; `null` without any. Minima and not means, because trials with and without a choice differ
   * in everything else as well.
   */
  readonly loss: BestLoss | null;
  readonly accuracyLoss: BestLoss | null;
}

export interface BestLoss {
  readonly best: number;
}

/** Choices tried for a quantizer group (tensors that share a quantizer choice), by parameter. */
export interface TriedGroup {
  readonly group: string;
  readonly parameters: readonly {
    readonly parameter: string;
    readonly choices: readonly TriedChoice[];
  }[];
}

/**
 * Importance of a parameter for an outcome of trials (objective or accuracy), with the mean effect of each
 * choice.
 */
export interface ImportantParameter {
  readonly parameter: string;
  readonly group: string;
  /** This parameter's share (0 to 1) of the variance that all parameters explain individually. */
  readonly share: number;
  /** 90 % credible interval of the share of explained variance. */
  readonly interval: readonly [low: number, high: number];
  /** Effect of each choice on the outcome, with its posterior standard deviation. */
  readonly effects: readonly {
    readonly choice: Choice;
    readonly effect: number;
    readonly deviation: number;
  }[];
}

export interface Importance {
  /** Importance of parameters for the objective's value, which is minimized. */
  readonly loss: readonly ImportantParameter[];
  /** Importance of parameters for the percent of accuracy lost relative to the float model. */
  readonly accuracyLoss: readonly ImportantParameter[];
}

/** Minimum share of the explained variance for a parameter to be listed; there may be thousands. */
const LEAST_SHARE = 0.001;

/**
 * The parameters whose effect exceeds the noise of the additive model, most important first.
 *
 * @param accuracyDiffers whether accuracy differs significantly between trials
 */
export function rankParameters(
  space: Space,
  trials: readonly FinishedTrial[],
  accuracyDiffers = true,
): Importance {
  const rank = (outcome: (trial: FinishedTrial) => number): ImportantParameter[] =>
    parameterImportance(space, trials, outcome)
      .flatMap((importance, d) => (importance.isCertain ? [withChoices(importance, space[d]!.choices)] : []))
      .filter(({ share }) => share >= LEAST_SHARE)
      .sort((a, b) => b.share - a.share);
  return {
    loss: rank(({ values }) => values[0] ?? 0),
    accuracyLoss: accuracyDiffers ? rank(({ accuracyLoss }) => accuracyLoss ?? 0) : [],
  };
}

function withChoices(
  { name, group, share, interval, effects, deviations }: ParameterImportance,
  choices: readonly Choice[],
): ImportantParameter {
  return {
    parameter: name,
    group,
    share,
    interval,
    effects: choices.map((choice, code) => ({
      choice,
      effect: effects[code]!,
      deviation: deviations[code]!,
    })),
  };
}

/**
 * Returns, per quantizer group, its parameters with more than one choice, and of these the choices that some
 * trial had.
 */
export function describeTried(space: Space, trials: readonly FinishedTrial[]): TriedGroup[] {
  const groups = new Map<string, TriedGroup["parameters"][number][]>();
  for (const { name, group, choices } of space) {
    if (choices.length < 2) continue;
    const present = trials.filter(({ configuration }) => configuration[name] !== undefined);
    const tried = choices.flatMap((choice): TriedChoice[] => {
      const having = present.filter(({ configuration }) => configuration[name] === choice);
      if (having.length === 0) return [];
      const others = present.filter(({ configuration }) => configuration[name] !== choice);
      return [{ choice, with: summarize(having), without: summarize(others) }];
    });
    const parameters = groups.get(group) ?? [];
    parameters.push({ parameter: name, choices: tried });
    groups.set(group, parameters);
  }
  return [...groups].map(([group, parameters]) => ({ group, parameters }));
}

/**
 * Summary of trials; the minima of losses are over complete trials only, because pruned ones have fewer
 * samples.
 */
export function summarize(trials: readonly FinishedTrial[]): TrialSummary {
  const complete = trials.filter(({ state }) => state === "complete");
  const count = (state: FinishedTrial["state"]) => trials.filter((trial) => trial.state === state).length;
  return {
    trials: trials.length,
    pruned: count("pruned"),
    failed: count("failed"),
    loss: bestOf(complete.map(({ values }) => values[0] ?? 0)),
    accuracyLoss: bestOf(complete.map(({ accuracyLoss }) => accuracyLoss ?? 0)),
  };
}

function bestOf(values: readonly number[]): BestLoss | null {
  return values.length === 0 ? null : { best: values.reduce((best, value) => Math.min(best, value)) };
}
