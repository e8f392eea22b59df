import "../interpreted-schemas.js";
import { openFunctionEnvironment } from "../function-environment.js";
import { openRunWorkers } from "../run-workers.js";
import { createEvaluatorHandler } from "./handler.js";

const environment = openFunctionEnvironment("evaluator");

/** The evaluator function's entry point, which Lambda calls for each invocation. */
export const handler = environment.logged(
  createEvaluatorHandler({
    ...environment,
    now: Date.now,
    // The thread's file, thread.js, has the same name in the compiled sources and in the bundle.
    workers: openRunWorkers({
      store: environment.store,
      entry: new URL("./thread.js", import.meta.url),
      filesOf: ({ files }) => files,
    }),
  }),
);
