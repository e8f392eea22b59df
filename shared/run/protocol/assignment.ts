import { safeguard } from "../../basics/safeguard.js";
import type { Failure } from "./failed-outcome.js";

/** Number of failures reported for one job at which the job is given up. */
const MAX_FAILURES = 2;
/**
 * Maximum number of attempts of one job. An unanswered job, or one answered by another instruction set, does
 * not count as a failure of the trial; this bound ends a job that kills every worker.
 */
const MAX_ATTEMPTS = 6;

/** A job that was given to the workers and has not been answered. */
export interface Assignment {
  /** Number of the attempt: 1 for the first sending of the job; each resend has the next number. */
  readonly attempt: number;
  /**
   * Number of the first attempt of this assignment: above 1 where an earlier assignment of the same job had
   * attempts of its own (a finish job before the run was resumed).
   */
  readonly firstAttempt: number;
  /** Whether the job is known to have been sent; `false` means unknown. */
  readonly sent: boolean;
  /** Time after which the job is sent again, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly failedAttempts: readonly number[];
}

/** What follows a failed or overdue attempt: the job's new assignment, or the reason why it is given up. */
export type AssignmentOutcome =
  | { readonly state: "waiting"; readonly assignment: Assignment }
  | ({ readonly state: "givenUp" } & Failure);

export function firstAssignment(at: number, timeout: number, firstAttempt = 1): Assignment {
  return { attempt: firstAttempt, firstAttempt, sent: false, deadline: at + timeout, failedAttempts: [] };
}

export function isOverdue(assignment: Assignment, at: number): boolean {
  return at >= assignment.deadline;
}

/**
 * The assignment's next attempt, after a deadline passed or an answer was unusable. Each attempt has twice
 * the time of the one before.
 */
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
 * The assignment after a worker reported a failure; a second report of the same attempt changes nothing. What fails
 * because of model or data fails on every worker, so it is not tried again.
 */
export function reportFailure(
  assignment: Assignment,
  attempt: number,
  at: number,
  timeout: number,
  { reason, input }: Failure,
): AssignmentOutcome {
  if (assignment.failedAttempts.includes(attempt) && safeguard("repeated-failures-count-once"))
    return { state: "waiting", assignment };
  const failed = { ...assignment, failedAttempts: [...assignment.failedAttempts, attempt] };
  if (input) return { state: "givenUp", reason, input };
  if (failed.failedAttempts.length >= MAX_FAILURES || !safeguard("second-attempts"))
    return { state: "givenUp", reason };
  // A newer attempt of the job is already under way and may succeed.
  if (attempt !== assignment.attempt) return { state: "waiting", assignment: failed };
  return sendAgain(failed, at, timeout, reason);
}

/**
 * The assignment with the same attempt and a new deadline, to be sent again because the queue that held the
 * job ended with its process.
 */
export function renew(assignment: Assignment, at: number, timeout: number): Assignment {
  const doublings = assignment.attempt - assignment.firstAttempt;
  return { ...assignment, sent: false, deadline: at + timeout * 2 ** doublings };
}
