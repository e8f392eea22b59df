import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { tune } from "../../scripts/api/tune.js";
import type { RunResult } from "../../shared/run/result/result.js";
import { demoConfiguration } from "./steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-warnings-"));
process.env.QUANTFLEET_CACHE = join(folder, "statistics");
after(() => rm(folder, { recursive: true, force: true }));

describe("Warnings of a run", () => {
  test("are printed before the run and are in result.json, together with those of the outcome", async () => {
    // Seven samples are too few to distinguish trials.
    const demo = await demoConfiguration(
      { trials: 6, calibration: 7, evaluation: 7 },
      { accuracy_weight: 2, race: "off" },
    );
    const { validation: _, ...engine } = demo.engine;
    const { inputs } = engine.evaluation!;
    const configuration = { ...demo, engine: { ...engine, calibration: { inputs: inputs! } } };
    const out = join(folder, "out");
    const run = await tune({ configuration }, { out, workers: 1 });
    assert.deepEqual(
      run.warnings.map(({ level, code }) => [level, code]),
      [
        ["note", "no-effect"],
        ["note", "shared-rows"],
      ],
    );
    const result = await run.result;
    assert.deepEqual(result.warnings.slice(0, 2), run.warnings);
    const written = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as RunResult;
    assert.deepEqual(written.warnings, result.warnings);
    // Without effects, no parameter has an importance.
    const nothingMoved = result.warnings.some(({ code }) => code === "nothing-moved");
    assert.equal(result.explanation.importance.accuracyLoss.length === 0, nothingMoved);
  });
});
