import type { RunState, TrialRecord } from "../../../shared/run/protocol/state.js";
import { findReferences, type References, type Study } from "../../../shared/run/protocol/study.js";
import type { Progress } from "../../../shared/run/result/progress.js";
import { describeProgress } from "../../../shared/run/result/progress.js";

/** A finished trial, for display. */
export interface TrialView {
  readonly number: number;
  /** State of the trial; "float" is the trial of the float model, the baseline. */
  readonly outcome: "float" | TrialRecord["state"];
  /** Number of samples on which the trial was scored; less than the run's when the trial was stopped early. */
  readonly samples: number;
  readonly metric?: number;
  /** Model size divided by the float model's. */
  readonly sizeShare?: number;
  /** Speed-up: the float model's latency divided by the trial's. */
  readonly latencyRatio?: number;
  /** Accuracy loss in percent; for a trial that was stopped early, its lower bound. */
  readonly accuracyLoss?: number;
  readonly withinBound?: boolean;
  /** Reason for which the trial failed. */
  readonly reason?: string;
  readonly worker?: string;
}

/** A snapshot of a run: its progress, its best trial and its latest finished trials. */
export interface RunView {
  readonly progress: Progress;
  readonly metric: string;
  /** Number of evaluation samples on which a complete trial is scored. */
  readonly samples: number;
  /** Number of trials in progress. */
  readonly running: number;
  /** Processor class on which all results so far were computed. */
  readonly isa?: string;
  readonly best?: TrialView;
  /** The latest finished trials, latest first. */
  readonly latest: readonly TrialView[];
}

/**
 * The view of a run's state at a time, for display.
 *
 * @param most upper bound of trials in `latest`
 */
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
