import "../interpreted-schemas.js";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { openStudy } from "../../shared/evaluation/workload/workload-study.js";
import { deployedModules } from "../../shared/metrics/module-location.js";
import { CLIENT_OPTIONS } from "../client-options.js";
import { openFunctionEnvironment } from "../function-environment.js";
import { TICK_SCHEDULE } from "../schedule-names.js";
import { createCoordinatorHandler } from "./handler.js";
import { SchedulerTickSwitch } from "./scheduler-tick-switch.js";

const environment = openFunctionEnvironment("coordinator");

const locateModule = deployedModules(fileURLToPath(new URL(".", import.meta.url)));

/** The coordinator function's entry point, which Lambda calls for each invocation. */
export const handler = environment.logged(
  createCoordinatorHandler({
    ...environment,
    now: Date.now,
    tick: new SchedulerTickSwitch({
      client: new SchedulerClient(CLIENT_OPTIONS),
      group: environment.scheduleGroup,
      name: TICK_SCHEDULE,
    }),
    openStudy: (runId) => openStudy(environment.store, runId, join(tmpdir(), "quantfleet"), locateModule),
  }),
);
