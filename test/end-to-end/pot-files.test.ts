import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { tune } from "../../scripts/api/tune.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { parseJsonWithComments } from "../../shared/validation/jsonc.js";
import { POT_CONFIGURATIONS } from "../fixtures/pot-configurations.js";
import { demoConfiguration } from "./steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-pot-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

const TRIALS = 3;
const demo = await demoConfiguration({ trials: TRIALS, calibration: 20, evaluation: 40 });

type Keys = Readonly<Record<string, unknown>>;

describe("The optimizer and compression sections of POT's files run unchanged", () => {
  for (const [index, { title, text, refused }] of POT_CONFIGURATIONS.entries()) {
    test(title, async () => {
      const { optimizer, compression } = parseJsonWithComments(text, "pot.json") as {
        optimizer: { name: string; params: Keys };
        compression: Keys;
      };
      const params = Object.entries(optimizer.params).filter(
        ([key]) => !(`optimizer.params.${key}` in refused),
      );
      const configuration = {
        model: demo.model,
        engine: demo.engine,
        compression,
        // Latency measurements are short, as in every test of the demo; all else is POT's.
        optimizer: {
          ...optimizer,
          params: { ...Object.fromEntries(params), benchmark: { duration_seconds: 0.05 } },
        },
      } as RunConfigurationInput;
      const run = await tune(
        { configuration },
        { out: join(folder, `run${index}`), maxTrials: TRIALS, workers: 1 },
      );
      const { trials, best } = await run.result;
      assert.equal(trials.asked, TRIALS);
      assert.equal(trials.failed, 0);
      assert.ok(best !== null);
    });
  }
});
