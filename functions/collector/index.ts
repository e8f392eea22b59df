import { openRunWorkers } from "../run-workers.js";
import { openSurroundings } from "../surroundings.js";
import { createCollectorHandler } from "./handler.js";

const surroundings = openSurroundings("collector");

/** What Lambda calls. */
export const handler = createCollectorHandler({
  ...surroundings,
  jobs: surroundings.statisticsJobs,
  now: Date.now,
  workers: openRunWorkers(surroundings, new URL("./thread.js", import.meta.url)),
});
