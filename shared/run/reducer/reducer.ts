import { firstAssignment, renew } from "../protocol/assignment.js";
import type { Limits } from "../protocol/limits.js";
import type { RunResumed } from "../protocol/messages.js";
import { NOTHING_SPENT } from "../protocol/spend.js";
import type { RunState, ShardState } from "../protocol/state.js";
import { FLOAT_TRIAL, type Study } from "../protocol/study.js";
import { failRun } from "./failed-run.js";
import { onFinishOverdue, onFinishReported, renewFinish, startFinish } from "./finish-phase.js";
import { openTrials, updateBest } from "./open-trials.js";
import { type Command, pendingCommands } from "./pending-commands.js";
import { proposeFirst } from "./propose-trial.js";
import type { ReducerEvent, RunStarted } from "./reducer-event.js";
import { SamplerCache } from "./sampler-cache.js";
import { isRaised, limitsOf } from "./search-limits.js";
import { onStatisticsOverdue, onStatisticsReported } from "./statistics-reports.js";
import { findStopReason } from "./stopping.js";
import { onTrialReported, onTrialsOverdue } from "./trial-reports.js";

export interface Reduction {
  /** The state after the event; the same object if the event changed nothing. */
  readonly state: RunState | undefined;
  /**
   * All commands (jobs to send, records to write) that the state implies and that are not known to have been
   * carried out, including those of earlier events.
   */
  readonly commands: readonly Command[];
}

/**
 * Input of the reducer from the coordinator itself, never a message: opens the trials that the limit per save
 * had left out.
 */
export interface ContinueOpeningTrials {
  readonly type: "ContinueOpeningTrials";
  readonly runId: string;
  readonly at: number;
}

/**
 * The transitions of a run's state, as pure functions: no clock, randomness or network.
 *
 * `apply` determines how many trials are opened and leaves their configurations open; `propose` fills in a
 * configuration from the sampler. Proposing takes most of the time and depends only on the state, so the
 * coordinator does it while the state is being saved, and again after reading a saved state, with the same
 * result. Further events may be applied while trials are open, but only before jobs of these trials can have
 * been sent.
 */
export interface Reducer {
  /** Applies an event to a run's state; returns the same object if it changes nothing. */
  apply(state: RunState | undefined, event: ReducerEvent | ContinueOpeningTrials): RunState | undefined;
  /**
   * Proposes the configuration of the first open trial (started without one); returns the same object if
   * there is none.
   */
  propose(state: RunState): RunState;
  /** Proposes the configurations of all open trials (those started without one). */
  proposeAll(state: RunState): RunState;
  /** Applies an event and proposes the configurations of all open trials. */
  reduce(state: RunState | undefined, event: ReducerEvent | ContinueOpeningTrials): Reduction;
}

export interface ReducerOptions {
  /**
   * Maximum number of trials opened (numbered and started) per event; unlimited when absent. While
   * `canOpenMore` is true after an event, only `ContinueOpeningTrials` may be applied, so that the same
   * trials are opened as without the limit.
   */
  readonly maxOpened?: number;
}

/**
 * Creates the reducer of a study. Events may arrive twice, late and in any order. The state `undefined` is a
 * run that has not been requested; only `RunRequested` changes it.
 */
export function createReducer(study: Study, { maxOpened = Infinity }: ReducerOptions = {}): Reducer {
  const cache = new SamplerCache(study);
  const apply: Reducer["apply"] = (state, event) => applyAndAdvance(study, maxOpened, state, event);
  const propose: Reducer["propose"] = (state) => proposeFirst(study, cache, state);
  const proposeAll: Reducer["proposeAll"] = (state) => {
    for (let before = state; ; ) {
      const after = propose(before);
      if (after === before) return after;
      before = after;
    }
  };
  return {
    apply,
    propose,
    proposeAll,
    reduce(state, event) {
      const applied = apply(state, event);
      if (applied === undefined) return { state: applied, commands: [] };
      const proposed = proposeAll(applied);
      return { state: proposed, commands: pendingCommands(proposed) };
    },
  };
}

function applyAndAdvance(
  study: Study,
  maxOpened: number,
  state: RunState | undefined,
  event: ReducerEvent | ContinueOpeningTrials,
): RunState | undefined {
  if (state === undefined)
    return event.type === "RunRequested" ? updateBest(study, startRun(event), 0) : undefined;
  if (event.runId !== state.request.runId) return state;
  const changed = applyEvent(study, state, event);
  const advanced = advance(study, maxOpened, state, changed, event.at);
  if (advanced === state) return state;
  return { ...advanced, lastAt: Math.max(state.lastAt, event.at) };
}

function applyEvent(study: Study, state: RunState, event: ReducerEvent | ContinueOpeningTrials): RunState {
  switch (event.type) {
    case "RunRequested":
    case "ContinueOpeningTrials":
      return state;
    case "RunResumed":
      return resume(study, state, event);
    case "StatisticsReported":
      return onStatisticsReported(state, event);
    case "TrialReported":
      return onTrialReported(study, state, event);
    case "FinishReported":
      return onFinishReported(state, event);
    case "CancelRequested":
      return state.phase === "statistics" || state.phase === "search"
        ? { ...state, stop: "cancelled" }
        : state;
    case "Tick":
      return onTick(state, event.at);
  }
}

function onTick(state: RunState, at: number): RunState {
  switch (state.phase) {
    case "statistics":
      return onStatisticsOverdue(state, at);
    case "search":
      return onTrialsOverdue(state, at);
    case "finish":
      return onFinishOverdue(state, at);
    case "done":
    case "failed":
      return state;
  }
}

/**
 * The state after the steps that follow any event and depend on the state only: open trials, stop, start the
 * finish.
 */
function advance(study: Study, maxOpened: number, before: RunState, changed: RunState, at: number): RunState {
  let state = updateBest(study, changed, before.finished.length);
  // A cancelled run does not wait for its running trials; they stay in the state in case the run is resumed.
  if (state.stop === "cancelled" && (state.phase === "statistics" || state.phase === "search"))
    return startFinish(study, state, at);
  if (state.phase === "statistics" && state.statistics.every((shard) => shard.state === "done"))
    state = { ...state, phase: "search" };
  if (state.phase !== "search") return state;
  const float = state.finished.slice(0, 2).find(({ number }) => number === FLOAT_TRIAL);
  if (float?.state === "failed") return failRun(state, "The float model could not be scored", float);
  state = openTrials(study, state, at, maxOpened);
  if (state.stop === undefined) {
    const stop = findStopReason(study, state, at);
    if (stop !== undefined) state = { ...state, stop };
  }
  return state.stop !== undefined && state.running.length === 0 ? startFinish(study, state, at) : state;
}

function startRun({ request, restored = [], at }: RunStarted): RunState {
  return {
    request,
    phase: "statistics",
    startedAt: at,
    lastAt: at,
    pausedMilliseconds: 0,
    // Restored trials (those of an earlier run) were computed with the instruction set that the request
    // names.
    ...(restored.length === 0 || request.isa === undefined ? {} : { isa: request.isa }),
    statistics: waitingShards(request.statistics.shards, at, request.timeouts.statistics),
    asked: restored.length,
    running: [],
    finished: restored,
    sealedSegments: 0,
    spend: NOTHING_SPENT,
  };
}

function waitingShards(count: number, at: number, timeout: number): readonly ShardState<never>[] {
  return Array.from({ length: count }, () => ({
    state: "waiting",
    assignment: firstAssignment(at, timeout),
  }));
}

/**
 * The state of a run that continues after the process that held its jobs has ended: unanswered jobs are sent
 * again. A cancelled run, and one whose limit was raised, continues its search; a run that failed in its
 * statistics or its finish repeats that step.
 */
function resume(study: Study, state: RunState, { at, limits }: RunResumed): RunState {
  const { request } = state;
  const pausedMilliseconds = state.pausedMilliseconds + Math.max(0, at - state.lastAt);
  const { statistics: timeout, trial: trialTimeout } = request.timeouts;
  const { stop, failure: _, failedByInput: __, ...rest } = state;
  const searchesOn = stop === "cancelled" || searchesFurther(state, limits);
  const resumed: RunState = {
    ...rest,
    lastAt: Math.max(state.lastAt, at),
    pausedMilliseconds,
    resumedAt: at,
    ...(limits === undefined ? {} : { limits }),
    ...(stop === undefined || searchesOn ? {} : { stop }),
    statistics: state.statistics.map((shard) => renewShard(shard, at, timeout)),
    running: state.running.map((trial) => ({
      ...trial,
      shards: trial.shards.map((shard) => renewShard(shard, at, trialTimeout)),
    })),
  };
  const gathered = resumed.statistics.every((shard) => shard.state === "done");
  switch (state.phase) {
    case "statistics":
    case "search":
      return resumed;
    case "finish":
      if (!searchesOn) return renewFinish(resumed, at);
      return { ...resumed, phase: gathered ? "search" : "statistics" };
    case "done":
      if (!searchesOn) return state;
      return { ...resumed, phase: gathered ? "search" : "statistics" };
    case "failed":
      // A search that continues does so even if the finish had failed.
      if (state.finishing !== undefined && searchesOn)
        return { ...resumed, phase: gathered ? "search" : "statistics" };
      if (state.finishing !== undefined) return startFinish(study, resumed, at);
      if (gathered) return state;
      return {
        ...resumed,
        phase: "statistics",
        statistics: state.statistics.map((shard) =>
          shard.state === "done" ? shard : { state: "waiting", assignment: firstAssignment(at, timeout) },
        ),
      };
  }
}

function searchesFurther(state: RunState, limits: Limits | undefined): boolean {
  return limits !== undefined && isRaised(state.stop, limitsOf(state), limits);
}

function renewShard<Result>(shard: ShardState<Result>, at: number, timeout: number): ShardState<Result> {
  if (shard.state === "done") return shard;
  return { state: "waiting", assignment: renew(shard.assignment, at, timeout) };
}
