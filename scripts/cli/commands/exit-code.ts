import { CommanderError } from "commander";
import { QuantfleetError } from "../../../shared/basics/errors.js";
import { DamagedRecordError } from "../../../shared/run/store/damaged-record.js";
import { LockedError } from "../../../shared/storage/file-lock.js";

/**
 * Exit codes of all commands. `boundMissed`: the run succeeded, but no model is within the accuracy bound.
 */
export const EXIT = { done: 0, failed: 1, badInput: 2, boundMissed: 3, interrupted: 130 } as const;

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.badInput;
  if (error instanceof LockedError || error instanceof DamagedRecordError) return EXIT.badInput;
  if (!(error instanceof QuantfleetError)) return EXIT.failed;
  switch (error.code) {
    case "USAGE":
    case "CONFIGURATION":
    case "MODEL":
    case "DATA":
    case "NOTHING_TO_RESUME":
      return EXIT.badInput;
    case "RUN_FAILED":
      return EXIT.failed;
    case "INTERRUPTED":
      return EXIT.interrupted;
  }
}
