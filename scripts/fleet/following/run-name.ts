import { UsageError } from "../../../shared/basics/errors.js";
import { runIdSchema } from "../../../shared/basics/identifiers.js";

/**
 * Checks the syntax of a run name.
 * @throws {UsageError}
 */
export function requireRunName(runId: string): void {
  if (runIdSchema.safeParse(runId).success) return;
  throw new UsageError(
    `Run name ${JSON.stringify(runId)} is none; use up to 64 letters, digits, "-" and "_", beginning with a letter or digit.`,
  );
}

/**
 * The error for a run name that is taken. A name identifies one request, so a second request under it would
 * return the first one's result.
 */
export function usedName(runId: string): UsageError {
  return new UsageError(
    `The fleet holds a run ${runId} already; give another name by --run-id, or none, or follow that one by watch.`,
  );
}
