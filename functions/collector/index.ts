import "../interpreted-schemas.js";
import { calibrationFiles, workloadConfiguration } from "../../shared/run/store/workload-document.js";
import { openFunctionEnvironment } from "../function-environment.js";
import { openRunWorkers } from "../run-workers.js";
import { createCollectorHandler } from "./handler.js";

const environment = openFunctionEnvironment("collector");

/** The collector function's entry point, which Lambda calls for each invocation. */
export const handler = environment.logged(
  createCollectorHandler({
    ...environment,
    jobs: environment.statisticsJobs,
    now: Date.now,
    workers: openRunWorkers({
      store: environment.store,
      entry: new URL("./thread.js", import.meta.url),
      filesOf: (document, directory) =>
        calibrationFiles(document, workloadConfiguration(document, directory)),
    }),
  }),
);
