import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fetchResult, status } from "../../scripts/fleet/following/runs.js";
import { submit } from "../../scripts/fleet/submission/submit.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { decidedTrials } from "../end-to-end/steps/run-folder.js";
import type { FleetServers } from "./aws/fleet-servers.js";
import { assertSameAsLocally } from "./compare-with-local.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";
import { runEnded } from "./observed-run.js";

const SIZE = { trials: 12, calibration: 10, evaluation: 256 };
const EVALUATORS = 2;
const KILL_MILLISECONDS = 2_000;
/** Limits the kills: on a very busy machine every evaluator would be killed before it starts. */
const MOST_KILLS = 8;
/**
 * A job whose evaluator dies before claiming it stays hidden for long; the Tick resends it after this time.
 */
const JOB_TIMEOUT_SECONDS = 10;
const TIMEOUT_MILLISECONDS = 240_000;

/** Conformance suite of a fleet whose evaluators are killed, run against each pair of servers. */
export function describeKilledEvaluators(servers: string, startServers: () => Promise<FleetServers>): void {
  describe(`A run over ${servers} whose evaluators are killed every two seconds`, {
    timeout: TIMEOUT_MILLISECONDS,
  }, () => {
    let folder: string;
    let fleet: EmulatedFleet;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "quantfleet-killed-"));
      fleet = await startEmulatedFleet(EVALUATORS, startServers);
    });
    after(async () => {
      await fleet?.close();
      await rm(folder, { recursive: true, force: true });
    });

    test("ends with every trial once, equal to a local run with the same order of results", async () => {
      const configuration = await demoConfiguration(SIZE);
      const chance = createRandomStream(1, 0, "noise");
      let kills = 0;
      const killing = setInterval(() => {
        if (kills < MOST_KILLS && fleet.evaluators.kill((count) => chance.below(count))) kills++;
      }, KILL_MILLISECONDS);
      const runId = await submit(
        fleet,
        { configuration },
        { runId: "killed", jobTimeoutSeconds: JOB_TIMEOUT_SECONDS },
      );
      await runEnded(fleet, runId);
      clearInterval(killing);
      const { phase, trialsDone } = await status(fleet, runId);
      assert.deepEqual({ phase, trialsDone }, { phase: "done", trialsDone: SIZE.trials + 1 });
      assert.ok(kills > 0);
      await fetchResult(fleet, runId, join(folder, "fleet"));
      await assertSameAsLocally(fleet.store, runId, configuration, folder, EVALUATORS);
      const trials = await decidedTrials(join(folder, "fleet"));
      assert.equal(
        new Set(trials.map((trial) => (trial as { number: number }).number)).size,
        SIZE.trials + 1,
      );
    });
  });
}
