import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSurroundings } from "../surroundings.js";
import { createEvaluatorHandler } from "./handler.js";
import { RunWorkers } from "./run-workers.js";

const surroundings = openSurroundings("evaluator");
const { bucket, store } = surroundings;

/** What Lambda calls. */
export const handler = createEvaluatorHandler({
  ...surroundings,
  now: Date.now,
  workers: new RunWorkers({
    bucket,
    store,
    folder: join(tmpdir(), "quantfleet"),
    // The same name in the sources and in the bundle.
    entry: new URL("./thread.js", import.meta.url),
  }),
});
