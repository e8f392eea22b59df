import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deployedModules } from "../../shared/scoring/metrics/module-location.js";
import { openStudy } from "../../shared/scoring/workload-study.js";
import { openSurroundings } from "../surroundings.js";
import { createCoordinatorHandler } from "./handler.js";

const surroundings = openSurroundings("coordinator");

const locateModule = deployedModules(fileURLToPath(new URL(".", import.meta.url)));

/** What Lambda calls. */
export const handler = createCoordinatorHandler({
  ...surroundings,
  now: Date.now,
  openStudy: (runId) => openStudy(surroundings.store, runId, join(tmpdir(), "quantfleet"), locateModule),
});
