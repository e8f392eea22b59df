import { UsageError } from "../../../shared/basics/errors.js";
import { runIdSchema } from "../../../shared/basics/identifiers.js";

/** @throws {UsageError} where no run can have this name */
export function requireRunName(runId: string): void {
  if (runIdSchema.safeParse(runId).success) return;
  throw new UsageError(
    `Run name ${JSON.stringify(runId)} is none; use up to 64 letters, digits, "-" and "_", beginning with a letter or digit.`,
  );
}

/** A run is asked for once: whoever gives its name to another would be handed what the first came to. */
export function usedName(runId: string): UsageError {
  return new UsageError(
    `The fleet holds a run ${runId} already; give another name by --run-id, or none, or follow that one by watch.`,
  );
}
