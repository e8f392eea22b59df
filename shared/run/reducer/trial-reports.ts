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
  attemptOf,
  isProposed,
  type ProposedTrial,
  type RunningTrial,
  type RunState,
  type ScoredShard,
  type TrialMeasures,
  type TrialRecord,
} from "../protocol/state.js";
import type { Study } from "../protocol/study.js";
import { chargeReport, chargeUnanswered, countWaiting } from "./charges.js";

/**
 * The state after a report of a trial. Reports on trials that have ended, a shard's second answer and a
 * repeated failure change nothing; a shard's first answer counts, whichever attempt it belongs to.
 */
export function onTrialReported(study: Study, state: RunState, event: TrialReported): RunState {
  const trial = state.running.find(({ number }) => number === event.trial);
  const shard = trial?.shards[event.shard.index];
  // An open trial has no jobs, so the report belongs to a later state; its event is redelivered to a
  // coordinator with that state.
  if (trial === undefined || !isProposed(trial) || shard?.state !== "waiting") return state;
  if (event.shard.count !== trial.shards.length || event.attempt > shard.assignment.attempt) return state;

  const { request } = state;
  const { at, attempt } = event;
  const timeout = request.timeouts.trial;
  const isCurrent = attempt === shard.assignment.attempt;
  // Earlier attempts of the job were charged when they were given up.
  const isNew = isCurrent && !shard.assignment.failedAttempts.includes(attempt);
  const charged = isNew ? { ...state, spend: chargeReport(state, "trial", event.billed) } : state;
  // If an earlier attempt answers, the current one is still running and will be billed.
  const underWay = isCurrent ? 0 : 1;
  const { index } = event.shard;

  const fail = (failure: Failure): RunState => {
    const outcome = reportFailure(shard.assignment, attempt, at, timeout, failure);
    return applyOutcome(charged, trial, index, outcome, at, underWay);
  };
  const hasOtherDigest = event.digest !== undefined && event.digest !== digestOf(trial);
  if (hasOtherDigest) {
    if (!isCurrent) return state;
    const outcome = sendAgain(shard.assignment, at, timeout, "only other configurations were answered for");
    return applyOutcome(charged, trial, index, outcome, at, underWay);
  }
  if (event.outcome.state === "failed") return fail(event.outcome);

  const isa = state.isa ?? request.isa ?? event.isa;
  if (event.isa !== isa) {
    if (!isCurrent) return state;
    const outcome = sendAgain(shard.assignment, at, timeout, wrongIsa(event.isa, isa));
    return applyOutcome(charged, trial, index, outcome, at, underWay);
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

/**
 * Maximum number of trials given up per Tick, because their records go into one save; the next Tick gives up
 * others.
 */
const MOST_GIVEN_UP = 32;

/** The state with overdue trial jobs to be sent again, or given up after their last attempt. */
export function onTrialsOverdue(state: RunState, at: number): RunState {
  let next = state;
  let givenUp = 0;
  for (const { number, shards } of state.running)
    for (const [index, shard] of shards.entries()) {
      if (shard.state !== "waiting" || !isOverdue(shard.assignment, at)) continue;
      // Giving up one shard ends the whole trial.
      const trial = next.running.find((running) => running.number === number);
      if (trial === undefined) break;
      const reason = "no worker answered in time";
      const outcome = sendAgain(shard.assignment, at, state.request.timeouts.trial, reason);
      // A trial without a configuration was never sent, so it is not given up.
      if (outcome.state === "givenUp" && (!isProposed(trial) || ++givenUp > MOST_GIVEN_UP)) break;
      const paid = { ...next, spend: chargeUnanswered(next, "trial", 1) };
      next = applyOutcome(paid, trial, index, outcome, at, 0);
    }
  return next;
}

/**
 * The state with the new assignment of a trial's shard, or, if its job is given up, with the trial ended as
 * failed.
 *
 * @param underWay attempts of this shard that are neither answered nor charged
 */
function applyOutcome(
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
      if (!isProposed(trial)) throw new Error(`trial ${trial.number} was given up before it was asked for`);
      const others = trial.shards.toSpliced(index, 1);
      return end(state, endFailed(trial, outcome, at), countWaiting(others) + underWay);
    }
  }
}

/**
 * The state with a trial ended: its record replaces it among the running trials.
 *
 * @param underWay jobs that are no longer waited for but will be billed
 */
function end(state: RunState, record: TrialRecord, underWay: number): RunState {
  return {
    ...state,
    spend: chargeUnanswered(state, "trial", underWay),
    running: state.running.filter(({ number }) => number !== record.number),
    // `concat` instead of a spread, which copies the array twice; this matters with 10,000 trials.
    finished: state.finished.concat([record]),
  };
}

function replaceRunning(state: RunState, trial: RunningTrial): RunState {
  return {
    ...state,
    running: state.running.map((running) => (running.number === trial.number ? trial : running)),
  };
}

function addScores(trial: ProposedTrial, event: TrialReported, outcome: MeasuredOutcome): ProposedTrial {
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
  trial: ProposedTrial,
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

/**
 * The metric of a trial's rows (per-sample scores), or the reason why it could not be computed: it may be a
 * user's module, whose errors fail only the trial.
 */
function aggregate(study: Study, request: RunRequest, rows: Float32Array): number | string {
  try {
    const metric = study.aggregate(rows, request);
    return Number.isFinite(metric) ? metric : `its ${request.metric.name} is ${metric}`;
  } catch (error) {
    return `its ${request.metric.name} could not be computed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * The failure of a trial without a metric: where it is the float model, the user's samples or metric are at
 * fault.
 */
function metricFailure({ configuration }: ProposedTrial, reason: string): Failure {
  if (configuration !== null) return { reason };
  return {
    reason: `${reason}; give samples of which the metric makes a number, or another engine.metric.`,
    input: true,
  };
}

function endFailed(trial: ProposedTrial, { reason, input }: Failure, at: number): TrialRecord {
  return { ...ended(trial, at), state: "failed", reason, ...(input ? { input } : {}) };
}

function ended({ number, configuration, seen, askedAt, shards }: ProposedTrial, at: number) {
  const attempts = Math.max(...shards.map(attemptOf));
  return { number, configuration, seen, askedAt, endedAt: at, attempts };
}

/** What is inconsistent in a worker's well-formed answer; `undefined` if nothing is. */
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

/** The reason for rejecting a result that was computed with another instruction set than the run's. */
export function wrongIsa(isa: string, wanted: string): string {
  return `only workers of ${isa} answered, and the run's results are of ${wanted}`;
}
