import type { RunState, TrialRecord } from "../../../shared/run/protocol/state.js";
import { findReferences, type References, type Study } from "../../../shared/run/protocol/study.js";
import type { Progress } from "../../../shared/run/result/progress.js";
import { describeProgress } from "../../../shared/run/result/progress.js";

/** A trial that has ended, as whoever watches a run reads it. */
export interface TrialView {
  readonly number: number;
  /** `float`: the float model, which the others are compared with. */
  readonly outcome: "float" | TrialRecord["state"];
  /** Samples that it was scored on; fewer than the run's where it was stopped early. */
  readonly samples: number;
  readonly metric?: number;
  /** Its bytes by the float model's. */
  readonly sizeShare?: number;
  /** How many times as fast as the float model it is. */
  readonly latencyRatio?: number;
  /** Percent; of a trial that was stopped early what it would lose at least. */
  readonly accuracyLoss?: number;
  readonly withinBound?: boolean;
  /** Why it failed. */
  readonly reason?: string;
  readonly worker?: string;
}

/** A run at a moment: how far it is, the best so far, and the trials that ended last. */
export interface RunView {
  readonly progress: Progress;
  readonly metric: string;
  /** Evaluation samples of a trial that is not stopped early. */
  readonly samples: number;
  /** Trials with the workers. */
  readonly running: number;
  /** What every result so far was computed with. */
  readonly isa?: string;
  readonly best?: TrialView;
  /** The latest first. */
  readonly latest: readonly TrialView[];
}

/** @param most trials in `latest` */
export function viewRun(study: Study, state: RunState, at: number, most: number): RunView {
  const { request, running, isa, best, finished } = state;
  const references = findReferences(state);
  const view = (trial: TrialRecord) => viewTrial(study, state, references, trial);
  return {
    progress: describeProgress(state, at),
    metric: request.metric.name,
    samples: request.evaluation.samples,
    running: running.length,
    ...(isa === undefined ? {} : { isa }),
    ...(best === undefined ? {} : { best: view(best) }),
    latest: most === 0 ? [] : finished.slice(-most).reverse().map(view),
  };
}

function viewTrial(
  study: Study,
  { request }: RunState,
  references: References | undefined,
  trial: TrialRecord,
): TrialView {
  const { number } = trial;
  if (trial.state === "failed") return { number, outcome: "failed", samples: 0, reason: trial.reason };
  const { measurement, worker } = trial;
  const { metric, samples, bytes, latency } = measurement;
  const judged = references && study.judge(measurement, references, request);
  return {
    number,
    outcome: trial.configuration === null ? "float" : trial.state,
    samples,
    metric,
    ...(latency === undefined ? {} : { latencyRatio: latency.ratio }),
    ...(references === undefined ? {} : { sizeShare: bytes / references.float.bytes }),
    ...(judged === undefined ? {} : { accuracyLoss: judged.accuracyLoss, withinBound: judged.withinBound }),
    worker,
  };
}
