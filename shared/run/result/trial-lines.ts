import { configurationKey } from "../../search/space/configuration-key.js";
import type { Choice } from "../../search/space/space.js";
import type { MeasuredOutcome } from "../protocol/measured-outcome.js";
import type { RunState, TrialOrigin, TrialRecord } from "../protocol/state.js";
import { findReferences, judgeTrial, type Study } from "../protocol/study.js";

/** A line of `trials.jsonl`. */
export interface TrialLine {
  readonly number: number;
  /** The earlier run that scored the trial, and its number there; absent where this run scored it. */
  readonly origin?: TrialOrigin;
  readonly state: "complete" | "pruned" | "failed";
  /** The trial's configuration: its choice for each parameter; `null` for trial 0, the float model. */
  readonly choices: Readonly<Record<string, Choice>> | null;
  readonly metric: number | null;
  readonly samples: number;
  readonly latencyRatio: number | null;
  readonly latencyNoise: number | null;
  readonly bytes: number | null;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"] | null;
  /**
   * Share of ops simulated by QuantizeLinear and DequantizeLinear, without an integer kernel; absent where it
   * is 0.
   */
  readonly simulatedShare?: MeasuredOutcome["quantizedShare"];
  /**
   * Signal-to-noise ratio in decibels of the model as it was scored against exact arithmetic; only where
   * integer kernels can saturate (`saturation_fix` is not auto). Below about 20, a loss of accuracy is due to
   * the kernels, not to the quantization.
   */
  readonly saturation?: number;
  /** The value of the objective, the first of `values`. */
  readonly loss: number | null;
  readonly values: readonly number[];
  /** By how many percent of accuracy the trial misses the accuracy bound; 0 within it. */
  readonly violation: number;
  readonly timings: MeasuredOutcome["timings"] | null;
  readonly worker: string | null;
  /** Numbers of the trials that had ended when this one was started, as ranges such as `0-5,7`. */
  readonly seen: string;
  readonly askedAt: number;
  readonly endedAt: number;
  readonly attempts: number;
  /** Why the trial failed. */
  readonly reason?: string;
}

/** The lines of `trials.jsonl`, one per trial, in the order in which the trials ended. */
export function* trialLines(study: Study, state: RunState): Generator<TrialLine> {
  const ended = new NumberRanges();
  let counted = 0;
  // Later trials have seen at least as many, so the ranges grow in one pass over the trials by number.
  const seenBy = new Map<number, string>();
  for (const { number, seen } of [...state.finished].sort((a, b) => a.number - b.number)) {
    for (; counted < seen; counted++) ended.add(state.finished[counted]!.number);
    seenBy.set(number, ended.toString());
  }
  for (const trial of state.finished) yield trialLine(study, state, trial, seenBy.get(trial.number) ?? "");
}

/** Number of finished trials whose configuration an earlier trial had already. */
export function countDuplicates(state: RunState): number {
  const keys = state.finished.flatMap(({ configuration }) =>
    configuration === null ? [] : [configurationKey(configuration)],
  );
  return keys.length - new Set(keys).size;
}

function trialLine(study: Study, state: RunState, trial: TrialRecord, seen: string): TrialLine {
  const references = findReferences(state);
  const judged = references === undefined ? undefined : judgeTrial(study, state.request, references, trial);
  const measured = trial.state === "failed" ? undefined : trial;
  const measurement = measured?.measurement;
  return {
    number: trial.number,
    ...(trial.origin === undefined ? {} : { origin: trial.origin }),
    state: trial.state,
    choices: trial.configuration,
    metric: measurement?.metric ?? null,
    samples: measurement?.samples ?? 0,
    latencyRatio: measurement?.latency?.ratio ?? null,
    latencyNoise: measurement?.latency?.noise ?? null,
    bytes: measurement?.bytes ?? null,
    quantizedShare: measurement?.quantizedShare ?? null,
    ...(measurement?.simulatedShare === undefined ? {} : { simulatedShare: measurement.simulatedShare }),
    ...(measurement?.saturation === undefined ? {} : { saturation: measurement.saturation }),
    loss: judged?.values[0] ?? null,
    values: judged?.values ?? [],
    violation: judged?.violation ?? 0,
    timings: measured?.timings ?? null,
    worker: measured?.worker ?? null,
    seen,
    askedAt: trial.askedAt,
    endedAt: trial.endedAt,
    attempts: trial.attempts,
    ...(trial.state === "failed" ? { reason: trial.reason } : {}),
  };
}

/** A growing set of numbers, kept as disjoint ranges in ascending order. */
class NumberRanges {
  readonly #ranges: { first: number; last: number }[] = [];

  add(number: number): void {
    let at = this.#ranges.length;
    while (at > 0 && this.#ranges[at - 1]!.first > number) at--;
    const before = this.#ranges[at - 1];
    const after = this.#ranges[at];
    const joinsBefore = before?.last === number - 1;
    const joinsAfter = after?.first === number + 1;
    if (joinsBefore && joinsAfter) {
      before.last = after.last;
      this.#ranges.splice(at, 1);
    } else if (joinsBefore) before.last = number;
    else if (joinsAfter) after.first = number;
    else this.#ranges.splice(at, 0, { first: number, last: number });
  }

  toString(): string {
    return this.#ranges
      .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`))
      .join(",");
  }
}
