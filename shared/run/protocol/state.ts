import type { Configuration } from "../../search/space/space.js";
import type { Assignment } from "./assignment.js";
import type { Failure } from "./failed-outcome.js";
import type { Limits } from "./limits.js";
import type { MeasuredOutcome } from "./measured-outcome.js";
import type { RunRequest } from "./request.js";
import type { PackedRows } from "./rows.js";
import type { Spend } from "./spend.js";

/** The phases of a run, in their order; `failed`: the run has ended without a result. */
export type Phase = "statistics" | "search" | "finish" | "done" | "failed";

export type StopReason =
  | "max_trials"
  | "max_minutes"
  | "stop_on_target"
  | "max_cost_usd"
  | "space_exhausted"
  | "cancelled";

/**
 * The state of a shard (the part of a job that one worker carries out): given to the workers, or answered.
 */
export type ShardState<Result> =
  | { readonly state: "waiting"; readonly assignment: Assignment }
  | { readonly state: "done"; readonly attempt: number; readonly result: Result };

/** Number of the attempt that answered a shard, or of the latest one that was sent. */
export function attemptOf(shard: ShardState<unknown>): number {
  return shard.state === "done" ? shard.attempt : shard.assignment.attempt;
}

/**
 * What is kept of the answer to a trial's shard: its rows (per-sample scores), and the name that they are
 * stored under.
 */
export interface ScoredShard {
  readonly rows: PackedRows;
  readonly scores: string;
}

/**
 * Measurements so far of a running trial, apart from its rows (per-sample scores), merged over its answered
 * shards.
 */
export interface TrialMeasures {
  readonly worker: string;
  readonly bytes: number;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"];
  readonly simulatedShare?: NonNullable<MeasuredOutcome["simulatedShare"]>;
  readonly saturation?: number;
  /**
   * The best difference of the metric to the float model's that a stopped trial could have reached; from the
   * shard that stopped it.
   */
  readonly reachable?: number;
  /** The latency ratio from shard 0, the only shard whose worker measures latency. */
  readonly latency?: MeasuredOutcome["latency"];
  /** Durations in seconds, summed over the shards. */
  readonly timings: MeasuredOutcome["timings"];
}

export interface RunningTrial {
  readonly number: number;
  /**
   * `null` is the float model. Absent in an open trial: one whose number and start are decided while the
   * sampler has not proposed its configuration yet.
   */
  readonly configuration?: Configuration | null;
  /**
   * Number of trials that had ended when this one was opened: the sampler bases its proposal on
   * `RunState.finished.slice(0, seen)`.
   */
  readonly seen: number;
  readonly askedAt: number;
  /**
   * Whether workers may stop the trial early. They compare it with the trial `incumbent`, the best one when
   * this trial was opened, if there was one.
   */
  readonly racing: boolean;
  readonly incumbent?: number;
  readonly shards: readonly ShardState<ScoredShard>[];
  readonly measures?: TrialMeasures;
}

/** A running trial whose configuration has been proposed. */
export type ProposedTrial = RunningTrial & Required<Pick<RunningTrial, "configuration">>;

export function isProposed(trial: RunningTrial): trial is ProposedTrial {
  return trial.configuration !== undefined;
}

/** Measurements of a trial over all its `samples` scored samples. */
export interface Measurement {
  readonly metric: number;
  readonly samples: number;
  readonly bytes: number;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"];
  readonly simulatedShare?: NonNullable<MeasuredOutcome["simulatedShare"]>;
  readonly saturation?: number;
  /**
   * Of a pruned trial: the best difference of its metric to the float model's that it could have reached (a
   * confidence bound). A pruned trial is judged by this bound, because `metric` covers only the first
   * samples.
   */
  readonly reachable?: number;
  readonly latency?: MeasuredOutcome["latency"];
}

/** The run that scored a trial, and the trial's number there. */
export interface TrialOrigin {
  readonly run: string;
  readonly trial: number;
}

interface EndedTrial {
  readonly number: number;
  /**
   * The earlier run that scored the trial and holds its rows, its per-sample scores (`warm_start`, `eval`);
   * absent where this run scored it.
   */
  readonly origin?: TrialOrigin;
  readonly configuration: Configuration | null;
  readonly seen: number;
  readonly askedAt: number;
  readonly endedAt: number;
  /** Number of attempts of the trial's jobs: the largest over its shards. */
  readonly attempts: number;
}

export interface MeasuredTrial extends EndedTrial {
  readonly state: "complete" | "pruned";
  readonly measurement: Measurement;
  readonly worker: string;
  readonly timings: MeasuredOutcome["timings"];
  /**
   * The name of each shard's rows (per-sample scores) in the store; "" for a shard that had not answered when
   * the trial was pruned.
   */
  readonly scores: readonly string[];
}

export interface FailedTrial extends EndedTrial, Failure {
  readonly state: "failed";
}

/** The immutable record of a trial that has ended. */
export type TrialRecord = MeasuredTrial | FailedTrial;

export interface FinishResult {
  readonly best: number | null;
  readonly validation: readonly { readonly trial: number; readonly value: number }[];
}

/** The finish of a run: the finalists, and the job that validates them and writes the best model. */
export interface FinishState {
  /** Numbers of the finalists (the trials that the finish validates), best first. */
  readonly candidates: readonly number[];
  /**
   * How many of the candidates, from the first on, meet the accuracy bound; absent in runs that earlier
   * versions finished.
   */
  readonly withinBound?: number;
  readonly job: ShardState<FinishResult>;
}

/**
 * The state of a run, immutable; every event makes a new one. records/state-document.ts defines how it is
 * stored.
 */
export interface RunState {
  readonly request: RunRequest;
  readonly phase: Phase;
  readonly startedAt: number;
  /** The latest time of all events applied, in milliseconds since the epoch. */
  readonly lastAt: number;
  /** Time during which no process worked on the run, excluded from `maxMinutes`. */
  readonly pausedMilliseconds: number;
  /** When the run was last resumed, in milliseconds since the epoch. */
  readonly resumedAt?: number;
  /** Limits of the search that the run was last resumed with; the request's limits when absent. */
  readonly limits?: Limits;
  /** Instruction set of the processors that computed all results accepted so far. */
  readonly isa?: string;
  readonly statistics: readonly ShardState<{ readonly seconds: number }>[];
  readonly sensitivity?: Readonly<Record<string, number>>;
  /** Number of the next trial to start, which equals the number of trials started so far. */
  readonly asked: number;
  /** Trials that have been started and have not ended, by ascending number. */
  readonly running: readonly RunningTrial[];
  /** The records of all ended trials in the order in which they ended; append-only. */
  readonly finished: readonly TrialRecord[];
  /**
   * Number of leading segments (groups of 16 trials) of `finished` that are known to be written to the store.
   */
  readonly sealedSegments: number;
  /** The best complete quantized trial so far. */
  readonly best?: MeasuredTrial;
  readonly stop?: StopReason;
  readonly finishing?: FinishState;
  /** Why the run failed. */
  readonly failure?: string;
  /** Present if the run failed because of the user's model or data. */
  readonly failedByInput?: true;
  readonly spend: Spend;
}

/** The record of the ended trial with this number; `undefined` if there is none. */
export function findFinished({ finished }: RunState, number: number): TrialRecord | undefined {
  // Trials end roughly in the order of their numbers, so the search goes outwards from that position.
  const start = Math.min(number, finished.length - 1);
  for (let distance = 0; distance < finished.length; distance++) {
    const below = start - distance;
    if (below >= 0 && finished[below]!.number === number) return finished[below];
    const above = start + distance;
    if (above < finished.length && finished[above]!.number === number) return finished[above];
  }
  return undefined;
}

/** Whether the run is over (done or failed) unless it is resumed. */
export function hasEnded(state: RunState): boolean {
  return state.phase === "done" || state.phase === "failed";
}
