/**
 * Ends the process when whoever reads stdout has seen enough, as `head` has. Progress on stderr is nothing to end a run
 * for.
 */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    // What wrote last may be about to set the exit code.
    setImmediate(() => process.exit());
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}
