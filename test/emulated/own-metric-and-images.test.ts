import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { connectStack } from "../../scripts/fleet/deployment/connect.js";
import type { Fleet } from "../../scripts/fleet/deployment/fleet.js";
import { fetchResult, status } from "../../scripts/fleet/following/runs.js";
import { estimate, submit } from "../../scripts/fleet/submission/submit.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { readArray } from "../../shared/data/array-file.js";
import { DEMO, demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { assertSameAsLocally } from "./compare-with-local.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";
import { runEnded } from "./observed-run.js";

const SIZE = { trials: 4, calibration: 6, evaluation: 64 };
const SIDE = 28;
const EVALUATORS = 2;
const TIMEOUT_MILLISECONDS = 240_000;

/** Writes some of the demo's samples as images, with a list of their labels. */
async function writeImages(folder: string, rows: readonly [number, number]): Promise<void> {
  await mkdir(folder);
  const read = (file: string) => readArray({ file: join(DEMO, file), rows, name: file });
  const [pixels, digits] = [await read("x.npy"), await read("y.npy")];
  const lines: string[] = [];
  for (let i = 0; i < pixels.shape[0]!; i++) {
    const picture = (pixels.data as Uint8Array).subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE);
    const name = `${String(i).padStart(3, "0")}.png`;
    const raw = { width: SIDE, height: SIDE, channels: 1 } as const;
    await sharp(picture, { raw }).png().toFile(join(folder, name));
    lines.push(`${name} ${Number(digits.data[i])}`);
  }
  await writeFile(`${folder}.txt`, lines.join("\n"));
}

describe("Over the emulated AWS", { timeout: TIMEOUT_MILLISECONDS }, () => {
  let folder: string;
  let emulated: EmulatedFleet;
  let fleet: Fleet;
  let module: string;
  let scoredByModule: RunConfigurationInput;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantfleet-emulated-own-"));
    module = join(folder, "margin.js");
    await writeFile(
      join(folder, "largest.js"),
      "export const largest = (row) => row.indexOf(Math.max(...row));",
    );
    await writeFile(
      module,
      `import { largest } from "./largest.js";
       export const name = "near";
       export const range = [0, 1];
       export function score({ outputs, labels }) {
         const [{ dims, data }] = Object.values(outputs);
         const rows = Array.from(data);
         return Array.from(labels.data, (label, i) => {
           const guess = largest(rows.slice(i * dims[1], (i + 1) * dims[1]));
           return Math.abs(guess - Number(label)) <= 1 ? 1 : 0;
         });
       }`,
    );
    const demo = await demoConfiguration(SIZE);
    scoredByModule = { ...demo, engine: { ...demo.engine, metric: { module } } };
    emulated = await startEmulatedFleet(EVALUATORS, undefined, undefined, { metricModules: [module] });
    Object.assign(process.env, emulated.environment);
    fleet = await connectStack(emulated.stack);
  });
  after(async () => {
    await emulated?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("a run is scored by the user's metric module, as locally", async () => {
    const source = { configuration: scoredByModule };
    const runId = await submit(fleet, source, { runId: "own-metric", parallel: 2 });
    const own = { metricModule: module };
    await runEnded(fleet, runId, own);
    const out = join(folder, "own");
    const { float } = await fetchResult(fleet, runId, join(out, "fleet"), own);
    assert.equal(float.metric.name, "near");
    await assertSameAsLocally(fleet.store, runId, scoredByModule, out, EVALUATORS);
    await assert.rejects(status(fleet, runId), /name your own copy by --metric-module/);
  });

  test("a module that was changed, or imports a changed one, is refused before anything is sent", async () => {
    await writeFile(join(folder, "largest.js"), "export const largest = (row) => row.length - 1;");
    const uploads: string[] = [];
    const options = { runId: "changed", onUpload: ({ file }: { file: string }) => uploads.push(file) };
    const source = { configuration: scoredByModule };
    const refusal =
      /^ConfigurationError: engine\.metric\.module \(margin\.js\) is not deployed with this fleet; .*again/;
    await assert.rejects(submit(fleet, source, options), refusal);
    await assert.rejects(estimate(source, {}, fleet), refusal);
    assert.deepEqual(uploads, []);
    assert.equal(await fleet.store.get("runs/changed/workload.json"), undefined);
  });

  test("a run works on folders of images, as locally", async () => {
    const demo = await demoConfiguration(SIZE);
    const scaling = { scale: 0.00392156862745098, mean: [0.5], std: [0.5] };
    const section = async (name: string, first: number, count: number, labelled = true) => {
      const images = join(folder, name);
      await writeImages(images, [first, first + count]);
      const preprocess = { layout: "NCHW", channels: "GRAY", ...scaling } as const;
      return { images, preprocess, ...(labelled ? { labels: `${images}.txt` } : {}) };
    };
    const configuration: RunConfigurationInput = {
      ...demo,
      engine: {
        ...demo.engine,
        calibration: await section("calibration", 2000, SIZE.calibration, false),
        evaluation: await section("evaluation", 0, SIZE.evaluation),
        validation: await section("validation", 1000, SIZE.evaluation),
      },
    };
    const runId = await submit(fleet, { configuration }, { runId: "images", parallel: 2 });
    await runEnded(fleet, runId);
    const out = join(folder, "images");
    await fetchResult(fleet, runId, join(out, "fleet"));
    await assertSameAsLocally(fleet.store, runId, configuration, out, EVALUATORS);
  });
});
