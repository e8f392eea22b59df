import type { Assignment } from "../protocol/assignment.js";
import { digestOf } from "../protocol/configuration-digest.js";
import { type FinishJob, MESSAGE_VERSION, type StatisticsJob, type TrialJob } from "../protocol/messages.js";
import { SEGMENT_SIZE } from "../protocol/record-keys.js";
import {
  findFinished,
  isProposed,
  type ProposedTrial,
  type RunState,
  type ShardState,
  type TrialRecord,
} from "../protocol/state.js";
import { earlyStoppingReference } from "./early-stopping-reference.js";

/** Something that the coordinator has to do for a saved state; doing it twice is harmless. */
export type Command =
  | { readonly type: "SendStatisticsJob"; readonly job: StatisticsJob }
  | { readonly type: "SendTrialJob"; readonly job: TrialJob }
  | { readonly type: "SendFinishJob"; readonly job: FinishJob }
  /** Write a full segment (a group of 16 records) of finished trials, which is immutable. */
  | { readonly type: "WriteRecord"; readonly segment: number; readonly trials: readonly TrialRecord[] };

/**
 * All commands (jobs to send, records to write) that the state implies and that are not known to have been
 * carried out. They are derived from the state, so commands that were saved before a crash are found again
 * after it.
 */
export function pendingCommands(state: RunState): readonly Command[] {
  return [
    ...statisticsCommands(state),
    ...trialCommands(state),
    ...finishCommands(state),
    ...recordCommands(state),
  ];
}

/** The state with these commands (jobs to send, records to write) marked as carried out. */
export function markCarriedOut(state: RunState, commands: readonly Command[]): RunState {
  return commands.reduce(markOne, state);
}

function markOne(state: RunState, command: Command): RunState {
  switch (command.type) {
    case "SendStatisticsJob": {
      const { shard, attempt } = command.job;
      return { ...state, statistics: markSent(state.statistics, shard.index, attempt) };
    }
    case "SendTrialJob": {
      const { trial: number, shard, attempt } = command.job;
      const running = state.running.map((trial) =>
        trial.number === number ? { ...trial, shards: markSent(trial.shards, shard.index, attempt) } : trial,
      );
      return { ...state, running };
    }
    case "SendFinishJob": {
      const { finishing } = state;
      if (finishing === undefined) return state;
      const [job = finishing.job] = markSent([finishing.job], 0, command.job.attempt);
      return { ...state, finishing: { ...finishing, job } };
    }
    case "WriteRecord":
      return { ...state, sealedSegments: Math.max(state.sealedSegments, command.segment + 1) };
  }
}

function statisticsCommands(state: RunState): readonly Command[] {
  if (state.phase !== "statistics") return [];
  const { runId, statistics } = state.request;
  return unsent(state.statistics).map(({ index, assignment: { attempt, deadline } }) => ({
    type: "SendStatisticsJob",
    job: {
      version: MESSAGE_VERSION,
      type: "statistics",
      runId,
      attempt,
      shard: { index, count: statistics.shards },
      key: statistics.key,
      deadline,
    },
  }));
}

function trialCommands(state: RunState): readonly Command[] {
  if (state.phase !== "search") return [];
  return state.running.filter(isProposed).flatMap((trial) =>
    unsent(trial.shards).map(({ index, assignment }) => ({
      type: "SendTrialJob" as const,
      job: trialJob(state, trial, index, assignment),
    })),
  );
}

function trialJob(state: RunState, trial: ProposedTrial, index: number, assignment: Assignment): TrialJob {
  const { request } = state;
  const race = trial.racing ? earlyStoppingReference(state, trial, index) : undefined;
  const digest = digestOf(trial);
  return {
    version: MESSAGE_VERSION,
    type: "trial",
    runId: request.runId,
    trial: trial.number,
    attempt: assignment.attempt,
    configuration: trial.configuration,
    ...(digest === undefined ? {} : { digest }),
    shard: { index, count: request.evaluation.shards },
    ...(race === undefined ? {} : { race }),
    // One latency measurement per trial suffices; otherwise every shard's worker would measure.
    measureLatency: request.optimizer.measureLatency && index === 0,
    deadline: assignment.deadline,
  };
}

function finishCommands(state: RunState): readonly Command[] {
  const { phase, finishing, request } = state;
  if (phase !== "finish" || finishing === undefined) return [];
  const candidates = finishing.candidates.flatMap((trial) => {
    const configuration = findFinished(state, trial)?.configuration;
    return configuration == null ? [] : [{ trial, configuration }];
  });
  return unsent([finishing.job]).map(({ assignment: { attempt, deadline } }) => ({
    type: "SendFinishJob",
    job: {
      version: MESSAGE_VERSION,
      type: "finish",
      runId: request.runId,
      attempt,
      base: request.base,
      candidates,
      ...(finishing.withinBound === undefined ? {} : { withinBound: finishing.withinBound }),
      deadline,
    },
  }));
}

function recordCommands(state: RunState): readonly Command[] {
  const full = Math.floor(state.finished.length / SEGMENT_SIZE);
  return Array.from({ length: Math.max(0, full - state.sealedSegments) }, (_, i) => {
    const segment = state.sealedSegments + i;
    const trials = state.finished.slice(segment * SEGMENT_SIZE, (segment + 1) * SEGMENT_SIZE);
    return { type: "WriteRecord", segment, trials };
  });
}

function unsent(
  shards: readonly ShardState<unknown>[],
): readonly { index: number; assignment: Assignment }[] {
  return shards.flatMap((shard, index) =>
    shard.state === "waiting" && !shard.assignment.sent ? [{ index, assignment: shard.assignment }] : [],
  );
}

function markSent<Result>(
  shards: readonly ShardState<Result>[],
  index: number,
  attempt: number,
): readonly ShardState<Result>[] {
  return shards.map((shard, i) =>
    i === index && shard.state === "waiting" && shard.assignment.attempt === attempt
      ? { state: "waiting", assignment: { ...shard.assignment, sent: true } }
      : shard,
  );
}
