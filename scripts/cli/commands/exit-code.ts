import { CommanderError } from "commander";
import { QuantfleetError } from "../../../shared/basics/errors.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import { DamagedRecordError } from "../../../shared/run/store/damaged-record.js";
import { LockedError } from "../../../shared/storage/file-lock.js";

/**
 * Exit codes of all commands. `boundMissed`: the run succeeded, but no quantized model is within the accuracy bound.
 */
export const EXIT = { done: 0, failed: 1, badInput: 2, boundMissed: 3, interrupted: 130 } as const;

/** The exit code of a run that ended with a result. */
export function resultExitCode({ best, keepFloat, trials }: RunResult): number {
  const isMet = keepFloat === null ? best?.withinBound === true : trials.withinBound > 0;
  return isMet ? EXIT.done : EXIT.boundMissed;
}

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
