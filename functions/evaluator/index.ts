import "../interpreted-schemas.js";
import { openSurroundings } from "../function-environment.js";
import { openRunWorkers } from "../run-workers.js";
import { createEvaluatorHandler } from "./handler.js";

const surroundings = openSurroundings("evaluator");

/** What Lambda calls. */
export const handler = surroundings.logged(
  createEvaluatorHandler({
    ...surroundings,
    now: Date.now,
    // The same name in the sources and in the bundle.
    workers: openRunWorkers({
      store: surroundings.store,
      entry: new URL("./thread.js", import.meta.url),
      filesOf: ({ files }) => files,
    }),
  }),
);
