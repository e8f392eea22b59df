import { type ParameterImportance, parameterImportance } from "../../search/effects/importance.js";
import type { Choice, Space } from "../../search/space/space.js";
import type { FinishedTrial } from "../../search/trials/sampler.js";

/** What all trials with one choice came to, beside those without it. */
export interface TriedChoice {
  readonly choice: Choice;
  readonly with: TrialSummary;
  /** Trials in which the parameter had another value. */
  readonly without: TrialSummary;
}

export interface TrialSummary {
  /** Trials that were told of, those included that the race stopped. */
  readonly trials: number;
  readonly pruned: number;
  readonly failed: number;
  /**
   * The least over the complete ones: of what is minimized, and of the percent of accuracy lost against float; `null`
   * without any. Means are not taken: trials with a choice and without it differ in everything else as well.
   */
  readonly loss: BestLoss | null;
  readonly accuracyLoss: BestLoss | null;
}

export interface BestLoss {
  readonly best: number;
}

/** What was tried for a quantizer group. */
export interface TriedGroup {
  readonly group: string;
  readonly parameters: readonly {
    readonly parameter: string;
    readonly choices: readonly TriedChoice[];
  }[];
}

/** How much a parameter mattered to an outcome, with the mean effect of each choice on it. */
export interface ImportantParameter {
  readonly parameter: string;
  readonly group: string;
  /** Share of the variance that all parameters explain one by one. */
  readonly share: number;
  /** In which the share lies with 90 % of the model's belief. */
  readonly interval: readonly [low: number, high: number];
  /** With the standard deviation of each effect. */
  readonly effects: readonly {
    readonly choice: Choice;
    readonly effect: number;
    readonly deviation: number;
  }[];
}

export interface Importance {
  /** To what is minimized. */
  readonly loss: readonly ImportantParameter[];
  /** To the percent of accuracy lost against float. */
  readonly accuracyLoss: readonly ImportantParameter[];
}

/** Parameters below this share are left out: there may be thousands. */
const LEAST_SHARE = 0.001;

/**
 * Which parameters mattered beyond the noise of the model of all trials, the most important first.
 *
 * @param moved whether accuracy differs between trials by more than chance over the samples
 */
export function rankParameters(space: Space, trials: readonly FinishedTrial[], moved = true): Importance {
  const rank = (outcome: (trial: FinishedTrial) => number): ImportantParameter[] =>
    parameterImportance(space, trials, outcome)
      .flatMap((importance, d) => (importance.isCertain ? [withChoices(importance, space[d]!.choices)] : []))
      .filter(({ share }) => share >= LEAST_SHARE)
      .sort((a, b) => b.share - a.share);
  return {
    loss: rank(({ values }) => values[0] ?? 0),
    accuracyLoss: moved ? rank(({ accuracyLoss }) => accuracyLoss ?? 0) : [],
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

/** What was tried for each group: its parameters that can vary, and the choices of them that some trial had. */
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

/** The complete trials' values and accuracies: those of pruned ones are of fewer samples. */
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
