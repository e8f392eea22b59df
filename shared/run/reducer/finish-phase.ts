import { firstAssignment, isOverdue, renew, reportFailure, sendAgain } from "../protocol/assignment.js";
import type { FinishReported } from "../protocol/messages.js";
import { attemptOf, type FinishState, type MeasuredTrial, type RunState } from "../protocol/state.js";
import { findReferences, type Study } from "../protocol/study.js";
import { chargeReport, chargeUnanswered } from "./charges.js";
import { failRun } from "./failed-run.js";
import { rankCandidates } from "./open-trials.js";
import { finalistsInTime } from "./time-reserve.js";
import { wrongIsa } from "./trial-reports.js";

/** The state with a finish job, which validates the best trials (the finalists) and writes the result. */
export function startFinish(study: Study, state: RunState, at: number): RunState {
  const { timeouts } = state.request;
  // If a resumed run finishes again, late answers of the earlier finish must not match, so attempts continue
  // to count.
  const attempt = state.finishing === undefined ? 1 : attemptOf(state.finishing.job) + 1;
  const ranked = rankCandidates(study, state, finalistsInTime(state, at));
  const references = findReferences(state);
  const isWithin = ({ measurement }: MeasuredTrial): boolean =>
    references !== undefined && study.judge(measurement, references, state.request).withinBound;
  const firstOutside = ranked.findIndex((trial) => !isWithin(trial));
  const candidates = ranked.map(({ number }) => number);
  const withinBound = firstOutside < 0 ? candidates.length : firstOutside;
  const assignment = firstAssignment(at, timeouts.finish, attempt);
  const finishing = { candidates, withinBound, job: { state: "waiting" as const, assignment } };
  return { ...state, phase: "finish", finishing };
}

export function onFinishReported(state: RunState, event: FinishReported): RunState {
  const { finishing } = state;
  if (state.phase !== "finish" || finishing?.job.state !== "waiting") return state;
  const { assignment } = finishing.job;
  if (event.attempt < assignment.firstAttempt || event.attempt > assignment.attempt) return state;
  const { at, attempt, outcome } = event;
  // Earlier attempts of the job were charged when they were given up.
  const isCurrent = attempt === assignment.attempt;
  const charged = isCurrent ? { ...state, spend: chargeReport(state, "other", event.billed) } : state;
  // If an earlier attempt ends the job, the current one is still running and will be billed.
  const spend = chargeUnanswered(charged, "other", isCurrent ? 0 : 1);
  switch (outcome.state) {
    case "complete": {
      // Validation scores of another instruction set are not comparable with the scores of trials.
      if (state.isa !== undefined && event.isa !== state.isa) {
        if (!isCurrent) return state;
        const reason = wrongIsa(event.isa, state.isa);
        return applyOutcome(
          charged,
          finishing,
          sendAgain(assignment, at, state.request.timeouts.finish, reason),
        );
      }
      const { best, validation } = outcome;
      const job = { state: "done" as const, attempt, result: { best, validation } };
      return { ...state, spend, phase: "done", finishing: { ...finishing, job } };
    }
    case "failed": {
      if (assignment.failedAttempts.includes(attempt)) return state;
      const timeout = state.request.timeouts.finish;
      const next = reportFailure(assignment, attempt, at, timeout, outcome);
      return applyOutcome(next.state === "givenUp" ? { ...charged, spend } : charged, finishing, next);
    }
  }
}

export function onFinishOverdue(state: RunState, at: number): RunState {
  const { finishing } = state;
  if (finishing?.job.state !== "waiting" || !isOverdue(finishing.job.assignment, at)) return state;
  const paid = { ...state, spend: chargeUnanswered(state, "other", 1) };
  const timeout = state.request.timeouts.finish;
  return applyOutcome(
    paid,
    finishing,
    sendAgain(finishing.job.assignment, at, timeout, "no worker answered in time"),
  );
}

export function renewFinish(state: RunState, at: number): RunState {
  const { finishing } = state;
  if (finishing?.job.state !== "waiting") return state;
  const assignment = renew(finishing.job.assignment, at, state.request.timeouts.finish);
  return { ...state, finishing: { ...finishing, job: { state: "waiting", assignment } } };
}

function applyOutcome(
  state: RunState,
  finishing: FinishState,
  outcome: ReturnType<typeof sendAgain>,
): RunState {
  switch (outcome.state) {
    case "waiting":
      return { ...state, finishing: { ...finishing, job: outcome } };
    case "givenUp":
      return failRun(state, "The best model could not be written", outcome);
  }
}
