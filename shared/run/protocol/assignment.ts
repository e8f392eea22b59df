import type { Failure } from "./failed-outcome.js";

/** Failures that workers report for one job before it is given up (system.md, "The coordinator"). */
const MAX_FAILURES = 2;
/**
 * How often one job is sent in all. Unanswered jobs and those answered by another instruction set are no
 * failures of the trial, but a job that no worker survives has to end too.
 */
const MAX_ATTEMPTS = 6;

/** A job that is with the workers and not answered yet. */
export interface Assignment {
  /** What is sent again has the next number. */
  readonly attempt: number;
  /** 1, or more where an earlier round of the same job (a finish before the run was resumed) had attempts of its own. */
  readonly firstAttempt: number;
  /** Whether the job is known to have been sent; if not, it may or may not have been. */
  readonly sent: boolean;
  /** After this the job is sent again, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly failedAttempts: readonly number[];
}

/** Either what the assignment is now, or why the job is given up. */
export type AssignmentOutcome =
  | { readonly state: "waiting"; readonly assignment: Assignment }
  | ({ readonly state: "givenUp" } & Failure);

export function firstAssignment(at: number, timeout: number, firstAttempt = 1): Assignment {
  return { attempt: firstAttempt, firstAttempt, sent: false, deadline: at + timeout, failedAttempts: [] };
}

export function isOverdue(assignment: Assignment, at: number): boolean {
  return at >= assignment.deadline;
}

/** The deadline has passed without an answer, or the answer cannot be used; each further attempt has twice the time. */
export function sendAgain(
  assignment: Assignment,
  at: number,
  timeout: number,
  reason: string,
): AssignmentOutcome {
  const again = { ...assignment, attempt: assignment.attempt + 1 };
  if (again.attempt - again.firstAttempt >= MAX_ATTEMPTS)
    return { state: "givenUp", reason: `${reason} (${MAX_ATTEMPTS} attempts)` };
  return { state: "waiting", assignment: renew(again, at, timeout) };
}

/**
 * A worker reported a failure; the same attempt's second report changes nothing. What fails by model or data fails on
 * every worker, so it is not tried again.
 */
export function reportFailure(
  assignment: Assignment,
  attempt: number,
  at: number,
  timeout: number,
  { reason, input }: Failure,
): AssignmentOutcome {
  if (assignment.failedAttempts.includes(attempt)) return { state: "waiting", assignment };
  const failed = { ...assignment, failedAttempts: [...assignment.failedAttempts, attempt] };
  if (input) return { state: "givenUp", reason, input };
  if (failed.failedAttempts.length >= MAX_FAILURES) return { state: "givenUp", reason };
  // A newer attempt is already under way and may succeed.
  if (attempt !== assignment.attempt) return { state: "waiting", assignment: failed };
  return sendAgain(failed, at, timeout, reason);
}

/** The queue that held the job is gone with its process: the same attempt is sent anew. */
export function renew(assignment: Assignment, at: number, timeout: number): Assignment {
  const doublings = assignment.attempt - assignment.firstAttempt;
  return { ...assignment, sent: false, deadline: at + timeout * 2 ** doublings };
}
