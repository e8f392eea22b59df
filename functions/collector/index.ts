import "../interpreted-schemas.js";
import { calibrationFiles, workloadConfiguration } from "../../shared/run/store/workload-document.js";
import { openSurroundings } from "../function-environment.js";
import { openRunWorkers } from "../run-workers.js";
import { createCollectorHandler } from "./handler.js";

const surroundings = openSurroundings("collector");

/** What Lambda calls. */
export const handler = surroundings.logged(
  createCollectorHandler({
    ...surroundings,
    jobs: surroundings.statisticsJobs,
    now: Date.now,
    workers: openRunWorkers({
      store: surroundings.store,
      entry: new URL("./thread.js", import.meta.url),
      filesOf: (document, directory) =>
        calibrationFiles(document, workloadConfiguration(document, directory)),
    }),
  }),
);
