import * as z from "zod";
import { DataError, type ErrorCode, QuantfleetError, RunError } from "../../basics/errors.js";

/** Maximum length of the reason of a failure, in characters. */
export const MAX_REASON = 2_000;

/**
 * Codes of errors that are the fault of the user's input (arguments, configuration, model or data), so that
 * the same job would fail again.
 */
const INPUT_CODES: ReadonlySet<ErrorCode> = new Set(["USAGE", "CONFIGURATION", "MODEL", "DATA"]);

/** Why a job, a trial or a run failed. */
export interface Failure {
  readonly reason: string;
  /** Present if the user's model, data or configuration is at fault, so that the same job would fail again. */
  readonly input?: true;
}

/** The outcome that a worker reports for a job that failed. */
export const failedOutcomeSchema = z.strictObject({
  state: z.literal("failed"),
  reason: z.string().max(MAX_REASON),
  input: z.literal(true).exactOptional(),
});
export type FailedOutcome = Readonly<z.infer<typeof failedOutcomeSchema>>;

export function failedOutcome(error: unknown): FailedOutcome {
  const { reason, ...fault } = failureOf(error);
  return { state: "failed", reason: withinMessage(reason), ...fault };
}

export function failureOf(error: unknown): Failure {
  const reason = error instanceof Error ? error.message : String(error);
  return error instanceof QuantfleetError && INPUT_CODES.has(error.code)
    ? { reason, input: true }
    : { reason };
}

/** The error for a failure: a DataError if the user's input is at fault, otherwise a RunError. */
export function toError({ reason, input }: Failure): DataError | RunError {
  return input ? new DataError(reason) : new RunError(reason);
}

/**
 * The reason of a failure, shortened in its middle to the maximum length: an error begins with the place and
 * ends with the remedy.
 */
function withinMessage(reason: string): string {
  if (reason.length <= MAX_REASON) return reason;
  const half = MAX_REASON / 2;
  return `${reason.slice(0, half)}…${reason.slice(1 - half)}`;
}
