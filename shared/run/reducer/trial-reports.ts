import { shardRange } from "../../basics/identifiers.js";
import { type AssignmentOutcome, isOverdue, reportFailure, sendAgain } from "../protocol/assignment.js";
import { digestOf } from "../protocol/configuration-digest.js";
import type { Failure } from "../protocol/failed-outcome.js";
import type { MeasuredOutcome } from "../protocol/measured-outcome.js";
import type { TrialReported } from "../protocol/messages.js";
import { scoresName } from "../protocol/record-keys.js";
import type { RunRequest } from "../protocol/request.js";
import { concatenateRows, unpackRows } from "../protocol/rows.js";
import {
  type AskedTrial,
  attemptOf,
  isAsked,
  type RunningTrial,
  type RunState,
  type ScoredShard,
  type TrialMeasures,
  type TrialRecord,
} from "../protocol/state.js";
import type { Study } from "../protocol/study.js";
import { chargeReport, chargeUnanswered, countWaiting } from "./charges.js";

/**
 * The state after a worker's answer. Answers for trials that have ended, second answers of a shard, and a
 * failure reported twice change nothing; the first answer counts, whichever attempt it belongs to.
 */
export function onTrialReported(study: Study, state: RunState, event: TrialReported): RunState {
  const trial = state.running.find(({ number }) => number === event.trial);
  const shard = trial?.shards[event.shard.index];
  // Nobody can answer for a trial that is open: what is heard is heard again by who has saved a later state.
  if (trial === undefined || !isAsked(trial) || shard?.state !== "waiting") return state;
  if (event.shard.count !== trial.shards.length || event.attempt > shard.assignment.attempt) return state;

  const { request } = state;
  const { at, attempt } = event;
  const timeout = request.timeouts.trial;
  const isCurrent = attempt === shard.assignment.attempt;
  // Earlier attempts were charged when they were given up.
  const isNew = isCurrent && !shard.assignment.failedAttempts.includes(attempt);
  const charged = isNew ? { ...state, spend: chargeReport(state, "trial", event.billed) } : state;
  // Where an earlier attempt answers, the present one is still under way and will be paid for.
  const underWay = isCurrent ? 0 : 1;
  const { index } = event.shard;

  const fail = (failure: Failure): RunState => {
    const outcome = reportFailure(shard.assignment, attempt, at, timeout, failure);
    return settle(charged, trial, index, outcome, at, underWay);
  };
  const isOther = event.digest !== undefined && event.digest !== digestOf(trial);
  if (isOther) {
    if (!isCurrent) return state;
    const outcome = sendAgain(shard.assignment, at, timeout, "only other configurations were answered for");
    return settle(charged, trial, index, outcome, at, underWay);
  }
  if (event.outcome.state === "failed") return fail(event.outcome);

  const isa = state.isa ?? request.isa ?? event.isa;
  if (event.isa !== isa) {
    if (!isCurrent) return state;
    const outcome = sendAgain(shard.assignment, at, timeout, wrongIsa(event.isa, isa));
    return settle(charged, trial, index, outcome, at, underWay);
  }
  const defect = findDefect(request, event.outcome, event.shard);
  if (defect !== undefined) return fail({ reason: defect });

  const paid = { ...charged, isa, spend: chargeUnanswered(charged, "trial", underWay) };
  const scored = addScores(trial, event, event.outcome);
  const unanswered = countWaiting(scored.shards);
  if (event.outcome.state === "pruned")
    return end(paid, endMeasured(study, request, scored, "pruned", at), unanswered);
  if (unanswered === 0) return end(paid, endMeasured(study, request, scored, "complete", at), 0);
  return replaceRunning(paid, scored);
}

/** Trials that one Tick gives up at most, the others being left to the next: their records go into one save. */
const MOST_GIVEN_UP = 32;

/** Sends again what has not been answered in time. */
export function onTrialsOverdue(state: RunState, at: number): RunState {
  let next = state;
  let givenUp = 0;
  for (const { number, shards } of state.running)
    for (const [index, shard] of shards.entries()) {
      if (shard.state !== "waiting" || !isOverdue(shard.assignment, at)) continue;
      // Giving up on one shard ends the trial, and with it the others.
      const trial = next.running.find((running) => running.number === number);
      if (trial === undefined) break;
      const reason = "no worker answered in time";
      const outcome = sendAgain(shard.assignment, at, state.request.timeouts.trial, reason);
      // One that is open has had no chance yet.
      if (outcome.state === "givenUp" && (!isAsked(trial) || ++givenUp > MOST_GIVEN_UP)) break;
      const paid = { ...next, spend: chargeUnanswered(next, "trial", 1) };
      next = settle(paid, trial, index, outcome, at, 0);
    }
  return next;
}

/** @param underWay attempts of this shard that are neither answered nor charged */
function settle(
  state: RunState,
  trial: RunningTrial,
  index: number,
  outcome: AssignmentOutcome,
  at: number,
  underWay: number,
): RunState {
  switch (outcome.state) {
    case "waiting":
      return replaceRunning(state, { ...trial, shards: trial.shards.with(index, outcome) });
    case "givenUp": {
      if (!isAsked(trial)) throw new Error(`trial ${trial.number} was given up before it was asked for`);
      const others = trial.shards.toSpliced(index, 1);
      return end(state, endFailed(trial, outcome, at), countWaiting(others) + underWay);
    }
  }
}

/** @param underWay jobs that nobody waits for any more, but that will be paid for */
function end(state: RunState, record: TrialRecord, underWay: number): RunState {
  return {
    ...state,
    spend: chargeUnanswered(state, "trial", underWay),
    running: state.running.filter(({ number }) => number !== record.number),
    // A spread makes an array and then a larger one, which ten thousand trials feel.
    finished: state.finished.concat([record]),
  };
}

function replaceRunning(state: RunState, trial: RunningTrial): RunState {
  return {
    ...state,
    running: state.running.map((running) => (running.number === trial.number ? trial : running)),
  };
}

function addScores(trial: AskedTrial, event: TrialReported, outcome: MeasuredOutcome): AskedTrial {
  const result: ScoredShard = { rows: outcome.rows, scores: scoresName(outcome.rows) };
  return {
    ...trial,
    shards: trial.shards.with(event.shard.index, { state: "done", attempt: event.attempt, result }),
    measures: addMeasures(trial.measures, event, outcome),
  };
}

function addMeasures(
  before: TrialMeasures | undefined,
  event: TrialReported,
  outcome: MeasuredOutcome,
): TrialMeasures {
  const first = event.shard.index === 0;
  const latency = first ? outcome.latency : before?.latency;
  const saturation = first ? outcome.saturation : before?.saturation;
  return {
    worker: first ? event.worker : (before?.worker ?? event.worker),
    bytes: outcome.bytes,
    quantizedShare: outcome.quantizedShare,
    ...(outcome.simulatedShare === undefined ? {} : { simulatedShare: outcome.simulatedShare }),
    ...(saturation === undefined ? {} : { saturation }),
    ...(outcome.reachable === undefined ? {} : { reachable: outcome.reachable }),
    ...(latency === undefined ? {} : { latency }),
    timings:
      before === undefined
        ? outcome.timings
        : {
            quantize: before.timings.quantize + outcome.timings.quantize,
            session: before.timings.session + outcome.timings.session,
            inference: before.timings.inference + outcome.timings.inference,
            total: before.timings.total + outcome.timings.total,
          },
  };
}

function endMeasured(
  study: Study,
  request: RunRequest,
  trial: AskedTrial,
  state: "complete" | "pruned",
  at: number,
): TrialRecord {
  const { measures } = trial;
  if (measures === undefined) throw new Error(`trial ${trial.number} ended without an answer`);
  const answered = trial.shards.flatMap((shard) => (shard.state === "done" ? [shard.result] : []));
  const metric = aggregate(study, request, concatenateRows(answered.map(({ rows }) => unpackRows(rows))));
  if (typeof metric === "string") return endFailed(trial, metricFailure(trial, metric), at);
  const { worker, timings, ...rest } = measures;
  const samples = answered.reduce((sum, { rows }) => sum + rows.rows, 0);
  const scores = trial.shards.map((shard) => (shard.state === "done" ? shard.result.scores : ""));
  return { ...ended(trial, at), state, measurement: { metric, samples, ...rest }, worker, timings, scores };
}

/** The metric, or why there is none: a metric may be a module of the user's, and what it does fails a trial at most. */
function aggregate(study: Study, request: RunRequest, rows: Float32Array): number | string {
  try {
    const metric = study.aggregate(rows, request);
    return Number.isFinite(metric) ? metric : `its ${request.metric.name} is ${metric}`;
  } catch (error) {
    return `its ${request.metric.name} could not be computed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Where the float model itself gives no metric, samples or metric are at fault. */
function metricFailure({ configuration }: AskedTrial, reason: string): Failure {
  if (configuration !== null) return { reason };
  return {
    reason: `${reason}; give samples of which the metric makes a number, or another engine.metric.`,
    input: true,
  };
}

function endFailed(trial: AskedTrial, { reason, input }: Failure, at: number): TrialRecord {
  return { ...ended(trial, at), state: "failed", reason, ...(input ? { input } : {}) };
}

function ended({ number, configuration, seen, askedAt, shards }: AskedTrial, at: number) {
  const attempts = Math.max(...shards.map(attemptOf));
  return { number, configuration, seen, askedAt, endedAt: at, attempts };
}

/** What is wrong with an answer of the right shape. */
function findDefect(
  request: RunRequest,
  { state, rows, samples }: MeasuredOutcome,
  shard: TrialReported["shard"],
): string | undefined {
  const { start, end } = shardRange(shard, request.evaluation.samples);
  if (rows.width !== request.metric.rowWidth)
    return `the answer has rows of ${rows.width} values instead of ${request.metric.rowWidth}`;
  if (rows.rows !== samples) return `the answer has ${rows.rows} rows for ${samples} samples`;
  if (state === "complete" ? samples !== end - start : samples > end - start || samples === 0)
    return `the answer scores ${samples} of ${end - start} samples and calls itself ${state}`;
  try {
    unpackRows(rows);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
  return undefined;
}

/** Why an answer is not merged. */
export function wrongIsa(isa: string, wanted: string): string {
  return `only workers of ${isa} answered, and the run's results are of ${wanted}`;
}
