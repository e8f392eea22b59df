import { EXIT } from "./exit-code.js";

/**
 * Handles Ctrl-C and SIGTERM: the first aborts the search and lets the best so far be written, the second
 * exits at once. Finished trials are on disk in either case.
 */
export function watchInterruption(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write(
      "\nStopping: the best so far will be written (interrupt again to exit at once; --resume continues the run).\n",
    );
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return {
    signal: controller.signal,
    stop: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
    },
  };
}
