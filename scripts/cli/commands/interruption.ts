import { EXIT } from "./exit-code.js";

/**
 * Turns Ctrl-C and SIGTERM into an abort: the first ends the search and has the best so far written, the second leaves
 * at once; what has finished is on disk either way.
 */
export function watchInterruption(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write(
      "\nStopping: the best so far will be written (again to leave at once; --resume goes on).\n",
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
