import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStudy } from "../../shared/scoring/workload-study.js";
import { openSurroundings } from "../surroundings.js";
import { createCoordinatorHandler } from "./handler.js";

const surroundings = openSurroundings("coordinator");

/** What Lambda calls. */
export const handler = createCoordinatorHandler({
  ...surroundings,
  now: Date.now,
  openStudy: (runId) => openStudy(surroundings.store, runId, join(tmpdir(), "quantfleet")),
});
