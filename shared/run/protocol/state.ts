import type { Configuration } from "../../search/space/space.js";
import type { Assignment } from "./assignment.js";
import type { Failure } from "./failed-outcome.js";
import type { Limits } from "./limits.js";
import type { MeasuredOutcome } from "./measured-outcome.js";
import type { RunRequest } from "./request.js";
import type { PackedRows } from "./rows.js";
import type { Spend } from "./spend.js";

/** `failed`: nothing more will happen, and there is no result. */
export type Phase = "statistics" | "search" | "finish" | "done" | "failed";

export type StopReason =
  | "max_trials"
  | "max_minutes"
  | "stop_on_target"
  | "max_cost_usd"
  | "space_exhausted"
  | "cancelled";

/** A shard of a job: with the workers, or answered. */
export type ShardState<Result> =
  | { readonly state: "waiting"; readonly assignment: Assignment }
  | { readonly state: "done"; readonly attempt: number; readonly result: Result };

/** The attempt that answered, or the latest that was sent. */
export function attemptOf(shard: ShardState<unknown>): number {
  return shard.state === "done" ? shard.attempt : shard.assignment.attempt;
}

/** What a shard's answer leaves behind: its rows, and the name they are stored under. */
export interface ScoredShard {
  readonly rows: PackedRows;
  readonly scores: string;
}

/** What the answers of a trial's shards so far say beyond their rows. */
export interface TrialMeasures {
  readonly worker: string;
  readonly bytes: number;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"];
  readonly simulatedShare?: NonNullable<MeasuredOutcome["simulatedShare"]>;
  readonly saturation?: number;
  /** Of the shard that the race stopped. */
  readonly reachable?: number;
  /** Of shard 0 alone, which is the one asked to measure it. */
  readonly latency?: MeasuredOutcome["latency"];
  /** Sums over the shards. */
  readonly timings: MeasuredOutcome["timings"];
}

export interface RunningTrial {
  readonly number: number;
  /**
   * `null` is the float model. Absent in a trial that is open: decided on, with all that decides what the sampler says to
   * it, and the sampler has not been asked yet.
   */
  readonly configuration?: Configuration | null;
  /** How many trials had finished when this one was asked for: the first so many of `RunState.finished`. */
  readonly seen: number;
  readonly askedAt: number;
  /** Whether workers may stop it early; with the trial to race against, if there was one when it was asked for. */
  readonly racing: boolean;
  readonly incumbent?: number;
  readonly shards: readonly ShardState<ScoredShard>[];
  readonly measures?: TrialMeasures;
}

/** A running trial with what it tries. */
export type AskedTrial = RunningTrial & Required<Pick<RunningTrial, "configuration">>;

export function isAsked(trial: RunningTrial): trial is AskedTrial {
  return trial.configuration !== undefined;
}

/** What was measured of a trial, on `samples` samples. */
export interface Measurement {
  readonly metric: number;
  readonly samples: number;
  readonly bytes: number;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"];
  readonly simulatedShare?: NonNullable<MeasuredOutcome["simulatedShare"]>;
  readonly saturation?: number;
  /**
   * Of a pruned trial: by how much its metric could still have differed from the float model's. It is judged by this,
   * because `metric` is that of the first samples alone, on which the float model's is another too.
   */
  readonly reachable?: number;
  readonly latency?: MeasuredOutcome["latency"];
}

/** A trial in the run that scored it. */
export interface TrialOrigin {
  readonly run: string;
  readonly trial: number;
}

interface EndedTrial {
  readonly number: number;
  /** Present where an earlier run scored it, whose records hold its rows (`warm_start`, `eval`). */
  readonly origin?: TrialOrigin;
  readonly configuration: Configuration | null;
  readonly seen: number;
  readonly askedAt: number;
  readonly endedAt: number;
  /** The highest number of attempts that a shard of it took. */
  readonly attempts: number;
}

export interface MeasuredTrial extends EndedTrial {
  readonly state: "complete" | "pruned";
  readonly measurement: Measurement;
  readonly worker: string;
  readonly timings: MeasuredOutcome["timings"];
  /** The name of each shard's rows in the store; "" for a shard that had not answered when the trial was pruned. */
  readonly scores: readonly string[];
}

export interface FailedTrial extends EndedTrial, Failure {
  readonly state: "failed";
}

/** A trial that has ended; nothing about it changes any more. */
export type TrialRecord = MeasuredTrial | FailedTrial;

export interface FinishResult {
  readonly best: number | null;
  readonly validation: readonly { readonly trial: number; readonly value: number }[];
}

export interface Finishing {
  /** Trial numbers, best first. */
  readonly candidates: readonly number[];
  readonly job: ShardState<FinishResult>;
}

/**
 * Everything the coordinator knows of a run; never changed, only replaced. What is stored of it and how is
 * told in run-records.ts.
 */
export interface RunState {
  readonly request: RunRequest;
  readonly phase: Phase;
  readonly startedAt: number;
  /** The latest time that an event brought. */
  readonly lastAt: number;
  /** Time that passed while no process carried the run; `maxMinutes` does not count it. */
  readonly pausedMilliseconds: number;
  /** When a process last resumed the run. */
  readonly resumedAt?: number;
  /** What it said anew of how far the search goes; the request's limits where it is absent. */
  readonly limits?: Limits;
  /** The instruction set of every result that was merged. */
  readonly isa?: string;
  readonly statistics: readonly ShardState<{ readonly seconds: number }>[];
  readonly sensitivity?: Readonly<Record<string, number>>;
  /** The number of the next trial. */
  readonly asked: number;
  /** By ascending number. */
  readonly running: readonly RunningTrial[];
  /** In the order in which the trials ended; only ever added to. */
  readonly finished: readonly TrialRecord[];
  /** How many segments of `finished` are known to be written as records. */
  readonly sealedSegments: number;
  /** The best complete quantized trial. */
  readonly best?: MeasuredTrial;
  readonly stop?: StopReason;
  readonly finishing?: Finishing;
  /** Why the run failed. */
  readonly failure?: string;
  /** Present where model or data are at fault. */
  readonly failedByInput?: true;
  readonly spend: Spend;
}

/** The record of a trial that has ended. */
export function findFinished({ finished }: RunState, number: number): TrialRecord | undefined {
  // Trials end in about the order of their numbers, so the search goes outwards from there.
  const start = Math.min(number, finished.length - 1);
  for (let distance = 0; distance < finished.length; distance++) {
    const below = start - distance;
    if (below >= 0 && finished[below]!.number === number) return finished[below];
    const above = start + distance;
    if (above < finished.length && finished[above]!.number === number) return finished[above];
  }
  return undefined;
}

/** Whether nothing more will happen unless the run is resumed. */
export function hasEnded(state: RunState): boolean {
  return state.phase === "done" || state.phase === "failed";
}
