import { writeError } from "../../shared/storage/write-error.js";
import { EXIT } from "./commands/exit-code.js";

/**
 * Ends the process when whoever reads stdout has seen enough, as `head` has, and with a sentence when stdout is a file that
 * cannot be written. Progress on stderr is nothing to end a run for.
 */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") {
      process.stderr.write(`quantfleet: ${writeError("Standard output", error).message}\n`);
      process.exit(EXIT.failed);
    }
    // What wrote last may be about to set the exit code.
    setImmediate(() => process.exit());
  });
  process.stderr.on("error", () => undefined);
}
