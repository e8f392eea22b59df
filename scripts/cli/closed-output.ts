import { writeError } from "../../shared/storage/write-error.js";
import { EXIT } from "./commands/exit-code.js";

/**
 * Ends the process when the reader of stdout closes it, as `head` does, or with an error message when stdout
 * is a file that cannot be written. Errors on stderr, which only shows progress, are ignored.
 */
export function exitOnClosedOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") {
      process.stderr.write(`quantfleet: ${writeError("Standard output", error).message}\n`);
      process.exit(EXIT.failed);
    }
    // Deferred, because the command that wrote last may be about to set the exit code.
    setImmediate(() => process.exit());
  });
  process.stderr.on("error", () => undefined);
}
