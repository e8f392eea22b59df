import { type AssignmentOutcome, isOverdue, reportFailure, sendAgain } from "../protocol/assignment.js";
import type { StatisticsReported } from "../protocol/messages.js";
import type { RunState } from "../protocol/state.js";
import { chargeReport, chargeUnanswered } from "./charges.js";
import { failRun } from "./failed-run.js";

/**
 * The state after a report of a statistics job; the first answer of each shard (part of the samples) counts.
 */
export function onStatisticsReported(state: RunState, event: StatisticsReported): RunState {
  const shard = state.statistics[event.shard.index];
  if (state.phase !== "statistics" || shard?.state !== "waiting") return state;
  const { assignment } = shard;
  if (event.shard.count !== state.statistics.length || event.attempt > assignment.attempt) return state;
  const { attempt, at, outcome } = event;
  // Earlier attempts of the job were charged when they were given up.
  const isCurrent = attempt === assignment.attempt;
  const charged = isCurrent ? { ...state, spend: chargeReport(state, "other", event.billed) } : state;
  // If an earlier attempt ends the job, the current one is still running and will be billed.
  const spend = chargeUnanswered(charged, "other", isCurrent ? 0 : 1);
  const { index } = event.shard;
  switch (outcome.state) {
    case "failed": {
      const timeout = state.request.timeouts.statistics;
      const next = reportFailure(assignment, attempt, at, timeout, outcome);
      return applyOutcome(next.state === "givenUp" ? { ...charged, spend } : charged, index, next);
    }
    case "complete": {
      const sensitivity = mergeSensitivity(state.sensitivity, outcome.sensitivity);
      const done = { state: "done" as const, attempt, result: { seconds: outcome.seconds } };
      return {
        ...state,
        spend,
        statistics: state.statistics.with(index, done),
        ...(sensitivity === undefined ? {} : { sensitivity }),
      };
    }
  }
}

/** The state with overdue statistics jobs to be sent again, or failed if a job's attempts are used up. */
export function onStatisticsOverdue(state: RunState, at: number): RunState {
  let next = state;
  for (const [index, shard] of state.statistics.entries()) {
    if (shard.state !== "waiting" || !isOverdue(shard.assignment, at)) continue;
    const timeout = state.request.timeouts.statistics;
    const outcome = sendAgain(shard.assignment, at, timeout, "no worker answered in time");
    next = applyOutcome({ ...next, spend: chargeUnanswered(next, "other", 1) }, index, outcome);
  }
  return next;
}

function applyOutcome(state: RunState, index: number, outcome: AssignmentOutcome): RunState {
  switch (outcome.state) {
    case "waiting":
      return { ...state, statistics: state.statistics.with(index, outcome) };
    case "givenUp":
      return failRun(
        state,
        `The statistics of shard ${index + 1} of ${state.statistics.length} could not be gathered`,
        outcome,
      );
  }
}

/**
 * Significant digits of a sensitivity: it only orders groups, and hundreds of them are saved with every
 * event.
 */
const SENSITIVITY_DIGITS = 6;

/**
 * The sensitivity per group, merged over the shards' reports: the maximum, which does not depend on the order
 * of the reports.
 */
function mergeSensitivity(
  before: RunState["sensitivity"],
  added: Readonly<Record<string, number>> | undefined,
): RunState["sensitivity"] {
  if (added === undefined) return before;
  const merged: Record<string, number> = { ...before };
  for (const [group, value] of Object.entries(added)) {
    const rounded = Number(value.toPrecision(SENSITIVITY_DIGITS));
    merged[group] = Math.max(merged[group] ?? rounded, rounded);
  }
  return merged;
}
