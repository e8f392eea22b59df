import { firstAssignment, renew } from "../protocol/assignment.js";
import type { Limits } from "../protocol/limits.js";
import type { RunResumed } from "../protocol/messages.js";
import { NOTHING_SPENT } from "../protocol/spend.js";
import type { RunState, ShardState } from "../protocol/state.js";
import { FLOAT_TRIAL, type Study } from "../protocol/study.js";
import { failRun } from "./failed-run.js";
import { onFinishOverdue, onFinishReported, renewFinish, startFinishing } from "./finish-phase.js";
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
  /** The very same object where the event changed nothing. */
  readonly state: RunState | undefined;
  /** Everything the state asks for that is not known to have been carried out, earlier events' included. */
  readonly commands: readonly Command[];
}

/** What a coordinator tells itself where an event has not asked for all trials that may run; no message. */
export interface AskingContinued {
  readonly type: "AskingContinued";
  readonly runId: string;
  readonly at: number;
}

/**
 * Pure functions of their arguments: no clock, no randomness, no network (system.md, "The coordinator").
 *
 * `hear` decides how many trials there are, and leaves what they try open; `propose` has the sampler say it. That takes
 * most of the time, and needs nothing but the state: so it can be done while the state is saved, and again by whoever
 * reads that state, with the same outcome. Events may be heard with trials open that other events have just led to, but
 * not once jobs may be under way for them.
 */
export interface Reducer {
  /** The very same state where the event changes nothing. */
  hear(state: RunState | undefined, event: ReducerEvent | AskingContinued): RunState | undefined;
  /** Closes the first open trial; the very same state where none is open. */
  propose(state: RunState): RunState;
  proposeAll(state: RunState): RunState;
  /** Hears an event and closes all open trials. */
  reduce(state: RunState | undefined, event: ReducerEvent | AskingContinued): Reduction;
}

export interface ReducerOptions {
  /**
   * Trials that one event opens at most; all that may run when left out. A state that `canAskMore` after an event has to
   * hear `AskingContinued`, and nothing else, until it cannot: so it asks what it would have asked at once.
   */
  readonly mostAsked?: number;
}

/**
 * The coordinator's reducer. Events may come twice, late or in any order; a state of `undefined` is a run that
 * has not been requested, and of the events only `RunRequested` makes one.
 */
export function createReducer(study: Study, { mostAsked = Infinity }: ReducerOptions = {}): Reducer {
  const cache = new SamplerCache(study);
  const hear: Reducer["hear"] = (state, event) => hearEvent(study, mostAsked, state, event);
  const propose: Reducer["propose"] = (state) => proposeFirst(study, cache, state);
  const proposeAll: Reducer["proposeAll"] = (state) => {
    for (let before = state; ; ) {
      const after = propose(before);
      if (after === before) return after;
      before = after;
    }
  };
  return {
    hear,
    propose,
    proposeAll,
    reduce(state, event) {
      const heard = hear(state, event);
      if (heard === undefined) return { state: heard, commands: [] };
      const proposed = proposeAll(heard);
      return { state: proposed, commands: pendingCommands(proposed) };
    },
  };
}

function hearEvent(
  study: Study,
  mostAsked: number,
  state: RunState | undefined,
  event: ReducerEvent | AskingContinued,
): RunState | undefined {
  if (state === undefined)
    return event.type === "RunRequested" ? updateBest(study, startRun(event), 0) : undefined;
  if (event.runId !== state.request.runId) return state;
  const changed = applyEvent(study, state, event);
  const advanced = advance(study, mostAsked, state, changed, event.at);
  if (advanced === state) return state;
  return { ...advanced, lastAt: Math.max(state.lastAt, event.at) };
}

function applyEvent(study: Study, state: RunState, event: ReducerEvent | AskingContinued): RunState {
  switch (event.type) {
    case "RunRequested":
    case "AskingContinued":
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

/** What follows from a state whatever event led to it: asking, stopping, finishing. */
function advance(study: Study, mostAsked: number, before: RunState, changed: RunState, at: number): RunState {
  let state = updateBest(study, changed, before.finished.length);
  // Trials that were running when the run was cancelled are not waited for; they stay, for the run to be resumed.
  if (state.stop === "cancelled" && (state.phase === "statistics" || state.phase === "search"))
    return startFinishing(study, state, at);
  if (state.phase === "statistics" && state.statistics.every((shard) => shard.state === "done"))
    state = { ...state, phase: "search" };
  if (state.phase !== "search") return state;
  const float = state.finished.slice(0, 2).find(({ number }) => number === FLOAT_TRIAL);
  if (float?.state === "failed") return failRun(state, "The float model could not be scored", float);
  state = openTrials(study, state, at, mostAsked);
  if (state.stop === undefined) {
    const stop = findStopReason(study, state, at);
    if (stop !== undefined) state = { ...state, stop };
  }
  return state.stop !== undefined && state.running.length === 0 ? startFinishing(study, state, at) : state;
}

function startRun({ request, restored = [], at }: RunStarted): RunState {
  return {
    request,
    phase: "statistics",
    startedAt: at,
    lastAt: at,
    pausedMilliseconds: 0,
    // Restored trials are of the instruction set that the request names.
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
 * The run goes on after the process that held its jobs has ended: they are sent anew. A cancelled run searches
 * on, as does one whose limit is raised, and one that failed for want of statistics or of a written model tries that
 * again.
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
      // Where the search is to go on, it does so also if the finish failed.
      if (state.finishing !== undefined && searchesOn)
        return { ...resumed, phase: gathered ? "search" : "statistics" };
      if (state.finishing !== undefined) return startFinishing(study, resumed, at);
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
