import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import { hasImages, packImages } from "../../../../scripts/fleet/submission/pack-images.js";
import type { DataSection } from "../../../../shared/configuration/engine-schema.js";
import { validateConfiguration } from "../../../../shared/configuration/parse.js";
import { requireSupported } from "../../../../shared/configuration/supported.js";
import { loadDataset } from "../../../../shared/data/load-dataset.js";
import type { ModelPort } from "../../../../shared/runtime/tensor.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-pack-"));
after(() => rm(folder, { recursive: true, force: true }));

const IMAGES = 70;
for (const name of ["cat", "dog"]) await mkdir(join(folder, "pets", name), { recursive: true });
const lines: string[] = [];
for (let i = 0; i < IMAGES; i++) {
  const pixels = Uint8Array.from({ length: 6 * 5 * 3 }, (_, at) => (at * 37 + i * 11) % 256);
  const name = `${i % 3 === 0 ? "cat" : "dog"}/${String(i).padStart(2, "0")}.png`;
  await sharp(pixels, { raw: { width: 6, height: 5, channels: 3 } })
    .png()
    .toFile(join(folder, "pets", name));
  lines.push(`${name} ${i % 5}`);
}
await writeFile(join(folder, "labels.txt"), lines.join("\n"));

const PLANES: ModelPort = { name: "image", type: "float32", shape: ["N", 3, 4, 4] };
const PIXELS: ModelPort = { name: "image", type: "float32", shape: ["N", 4, 4, 3] };
const scaling = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const cases: readonly [string, DataSection, ModelPort][] = [
  ["as they are", { images: "pets", labels: { data: "folders" } }, PLANES],
  [
    "scaled plane by plane",
    {
      images: "pets",
      labels: { data: "labels.txt" },
      preprocess: { layout: "NCHW", channels: "RGB", resize: 5, crop: 4, ...scaling },
    },
    PLANES,
  ],
  [
    "scaled pixel by pixel",
    { images: "pets", preprocess: { layout: "NHWC", channels: "BGR", ...scaling } },
    PIXELS,
  ],
];

async function pack(section: DataSection, input: ModelPort, out: string) {
  const { configuration } = validateConfiguration(
    {
      model: { model_name: "m", model: "model.onnx" },
      engine: { calibration: section, evaluation: section, metric: { name: "mse" } },
      compression: { algorithms: [{ name: "TunableQuantization", params: { tuning_scope: ["layer"] } }] },
    },
    { directory: folder },
  );
  requireSupported(configuration, "tune");
  assert.ok(hasImages(configuration));
  await mkdir(out);
  return { out, packed: () => packImages(configuration, folder, [input], out) };
}

describe("Images that do not fit on the disk", { skip: process.platform !== "linux" }, () => {
  const draft = `.${process.pid}.draft`;
  for (const [index, labels, link, file] of [
    [0, undefined, "calibration.npy", "calibration.npy"],
    [1, "folders", `calibration-labels.npy${draft}`, "calibration-labels.npy"],
    [2, "labels.txt", `evaluation.txt${draft}`, "evaluation.txt"],
  ] as const)
    test(`are told with file and remedy: ${file}`, async () => {
      const section = { images: "pets", ...(labels === undefined ? {} : { labels: { data: labels } }) };
      const { out, packed } = await pack(section, PLANES, join(folder, `full-${index}`));
      await symlink("/dev/full", join(out, link));
      await assert.rejects(packed(), {
        code: "RUN_FAILED",
        message: `${join(out, file)} cannot be written (ENOSPC); the disk is full: make room on it, or use a folder on another disk.`,
      });
    });
});

describe("Images packed for a fleet", () => {
  for (const [index, [name, section, input]] of cases.entries())
    test(`are the same samples and labels to the last bit: ${name}`, async () => {
      const { packed: packing } = await pack(section, input, join(folder, `packed-${index}`));
      const packed = await packing();
      assert.ok(!hasImages(packed));
      const load = (what: DataSection) =>
        loadDataset(what, { directory: folder, inputs: [input], path: "engine.evaluation" });
      const [here, there] = [await load(section), await load(packed.engine.evaluation)];
      assert.equal(there.samples, IMAGES);
      const all = { from: 0, to: IMAGES };
      assert.deepEqual(await there.batch(all), await here.batch(all));
      assert.deepEqual(there.labels(all), here.labels(all));
    });
});
