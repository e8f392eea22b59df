import { isFaster, type LatencyRatio, ratioInterval } from "../../runtime/latency.js";

/** What the choice of the result needs to know of a finalist (a trial that the finish validates). */
export interface Finalist {
  readonly trial: number;
  /**
   * Speed-up over the float model at its fastest optimization level, all finalists timed in turn; absent
   * where it could not be measured.
   */
  readonly latency?: LatencyRatio;
  /** Total size of the model's files. */
  readonly bytes: number;
}

export interface ChoiceGoal {
  /**
   * What is minimized within the accuracy bound; `undefined` with objective `loss`, which weighs accuracy and
   * latency itself.
   */
  readonly minimize: "latency" | "size" | undefined;
  /** The accuracy bound: maximum loss of accuracy, in percent relative to the float model. */
  readonly accuracyLoss: number;
  /** How many of the finalists, from the first on, meet the accuracy bound. */
  readonly withinBound: number;
  /** Total size of the float model's files. */
  readonly floatBytes: number;
}

/** The finalist to write, or why the float model is the result. */
export type Choice = { readonly trial: number } | { readonly keepFloat: string };

/**
 * Decides what a run's result is: the finalist that is fastest or smallest within the accuracy bound, if it beats the
 * float model, and else the float model. Latencies whose 95 % intervals overlap count as equal, and of equals the
 * first finalist wins, as the objective ranks them.
 *
 * @param finalists the best first; at least one
 */
export function chooseFinalist(finalists: readonly Finalist[], goal: ChoiceGoal): Choice {
  const [first] = finalists;
  if (goal.minimize === undefined) return { trial: first!.trial };
  const within = finalists.slice(0, goal.withinBound);
  if (within.length === 0) {
    return { keepFloat: `no quantized model loses at most ${goal.accuracyLoss} % of accuracy` };
  }
  return goal.minimize === "size" ? chooseSmallest(within, goal) : chooseFastest(within);
}

function chooseSmallest(within: readonly Finalist[], { floatBytes }: ChoiceGoal): Choice {
  const smallest = within.reduce((best, next) => (next.bytes < best.bytes ? next : best));
  if (smallest.bytes < floatBytes) return { trial: smallest.trial };
  return {
    keepFloat: `the smallest quantized model within the accuracy bound, trial ${smallest.trial}, has ${smallest.bytes} bytes, and the float model ${floatBytes}`,
  };
}

function chooseFastest(within: readonly Finalist[]): Choice {
  const timed = within.filter((finalist) => finalist.latency !== undefined);
  // If no latency could be measured, nothing speaks for keeping the float model.
  if (timed.length === 0) return { trial: within[0]!.trial };
  const fastest = timed.reduce((best, next) => (next.latency!.ratio > best.latency!.ratio ? next : best));
  const [low] = ratioInterval(fastest.latency!);
  const chosen = timed.find(({ latency }) => ratioInterval(latency!)[1] >= low)!;
  if (isFaster(chosen.latency!)) return { trial: chosen.trial };
  const latency = fastest.latency!;
  if (isFaster(latency)) return { trial: fastest.trial };
  const [from, to] = ratioInterval(latency).map((bound) => bound.toFixed(2));
  return {
    keepFloat: `the fastest quantized model within the accuracy bound, trial ${fastest.trial}, has ${latency.ratio.toFixed(2)} times the float model's speed (95 % interval ${from} to ${to})`,
  };
}
