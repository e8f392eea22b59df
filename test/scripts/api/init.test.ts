import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "jsonc-parser";
import sharp from "sharp";
import { evaluate } from "../../../scripts/api/evaluate.js";
import { init } from "../../../scripts/api/init.js";
import { quantize } from "../../../scripts/api/quantize.js";
import { splitByClass } from "../../../scripts/api/sample-split.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { readArray } from "../../../shared/data/array-file.js";
import { npyBytes } from "../../data/write-npy.js";
import { DEMO } from "../../end-to-end/steps/demo-configuration.js";

const MODEL = join(DEMO, "model.onnx");
const SIDE = 28;
const SAMPLES = 120;

async function read(config: string): Promise<RunConfigurationInput> {
  return parse(await readFile(config, "utf8")) as RunConfigurationInput;
}

describe("A new configuration", () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantfleet-init-"));
    const rows: [number, number] = [0, SAMPLES];
    const pictures = await readArray({ file: join(DEMO, "x.npy"), rows, name: "x" });
    const labels = await readArray({ file: join(DEMO, "y.npy"), rows, name: "y" });
    const pixels = pictures.data as Uint8Array;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const within = join(folder, "photos", `digit-${labels.data[sample]}`);
      await mkdir(within, { recursive: true });
      const raw = { width: SIDE, height: SIDE, channels: 1 as const };
      const cut = pixels.subarray(sample * SIDE * SIDE, (sample + 1) * SIDE * SIDE);
      await sharp(cut, { raw })
        .png()
        .toFile(join(within, `${sample}.png`));
    }
  });

  after(() => rm(folder, { recursive: true }));

  test("for images takes each folder as a class, and the preprocessing that the model was trained with", async () => {
    const out = join(folder, "images.json");
    const { notes, files } = await init(MODEL, { data: [join(folder, "photos")], out });
    assert.equal(files.length, 4);
    assert.match(notes.join("\n"), /120 images of 10 classes.*\nPixels as GRAY, -1 to 1/);
    const { engine } = await read(out);
    assert.deepEqual(engine?.evaluation?.preprocess, {
      layout: "NCHW",
      channels: "GRAY",
      scale: 1 / 255,
      mean: [0.5],
      std: [0.5],
    });
    const { metric } = await evaluate(MODEL, out);
    assert.ok(metric.value > 0.9, `${metric.value}`);
    const quantized = join(folder, "quantized");
    await quantize(out, { out: quantized });
    assert.ok((await stat(join(quantized, "model.onnx"))).size > 0);
  });

  test("names no image in two parts, and every class in each", async () => {
    const lists = await Promise.all(
      ["calibration", "evaluation", "validation"].map((part) =>
        readFile(join(folder, `images.${part}.txt`), "utf8"),
      ),
    );
    const lines = lists.map((list) => list.trim().split("\n"));
    assert.equal(new Set(lines.flat()).size, SAMPLES);
    for (const part of lines) assert.equal(new Set(part.map((line) => line.split("\t")[1])).size, 10);
  });

  test("for arrays matches inputs and labels, and splits the rows", async () => {
    const arrays = join(folder, "arrays");
    await mkdir(arrays);
    for (const name of ["x.npy", "y.npy"]) await copyFile(join(DEMO, name), join(arrays, name));
    const out = join(folder, "arrays.json");
    await init(MODEL, { data: [arrays], out });
    const { engine } = await read(out);
    const { metric, calibration, evaluation, validation } = engine ?? {};
    assert.deepEqual(metric, { name: "accuracy" });
    const input = { data: "arrays/x.npy", scale: 1 / 255, mean: [0.5], std: [0.5] };
    assert.deepEqual(calibration?.inputs, { input: { ...input, rows: [0, 300] } });
    assert.deepEqual(evaluation?.labels, { data: "arrays/y.npy", rows: [300, 1875] });
    assert.deepEqual(validation?.labels, { data: "arrays/y.npy", rows: [1875, 2500] });
  });

  test("without labels compares with the float model, and says so", async () => {
    const out = join(folder, "unlabelled.json");
    const { notes } = await init(MODEL, { data: [join(DEMO, "x.npy")], out });
    assert.deepEqual((await read(out)).engine?.metric, { name: "agreement" });
    assert.match(notes.join("\n"), /Without labels/);
  });

  test("takes a folder by a relative path", async () => {
    const data = [relative(process.cwd(), join(folder, "photos"))];
    const { notes } = await init(MODEL, { data, out: join(folder, "relative.json") });
    assert.match(notes.join("\n"), /of 10 classes/);
  });

  test("says where labels do not fit", async () => {
    const wrong = join(folder, "wrong");
    await mkdir(wrong);
    await copyFile(join(DEMO, "x.npy"), join(wrong, "x.npy"));
    const labels = npyBytes({ descr: "|u1", shape: [10], data: new Uint8Array(10) });
    await writeFile(join(wrong, "labels.npy"), labels);
    await assert.rejects(init(MODEL, { data: [wrong] }), /labels\.npy has 10 labels for 2500 samples/);
  });

  test("leaves nothing behind where the model cannot be scored", async () => {
    const images = join(folder, "broken");
    for (const name of ["a", "b"]) {
      await mkdir(join(images, name), { recursive: true });
      for (let image = 0; image < 4; image++) await writeFile(join(images, name, `${image}.png`), "no image");
    }
    const before = await readdir(folder);
    await assert.rejects(init(MODEL, { data: [images], out: join(folder, "broken.json") }), /broken.*\.png/);
    assert.deepEqual(await readdir(folder), before);
  });

  test("does not replace a file that is there, unless forced to", async () => {
    const out = join(folder, "kept.json");
    await writeFile(out, "{}");
    const options = { data: [join(DEMO, "x.npy")], out };
    await assert.rejects(init(MODEL, options), /kept\.json is there already; .*--force/);
    assert.equal(await readFile(out, "utf8"), "{}");
    await init(MODEL, { ...options, force: true });
    assert.notEqual(await readFile(out, "utf8"), "{}");
  });

  test("says what the model takes where data are missing or fit no input", async () => {
    await assert.rejects(
      init(MODEL, { data: [] }),
      /No data is given, and the model takes "input" \(float32 \[.*28, 28\]\)/,
    );
    await assert.rejects(
      init(MODEL, { data: [join(DEMO, "y.npy")] }),
      /input "input" takes .*y\.npy \[2500\]/,
    );
    await assert.rejects(init(MODEL, { data: [join(folder, "none")] }), /none cannot be read \(ENOENT\)/);
    await assert.rejects(
      init(MODEL, { data: [join(DEMO, "config.json")] }),
      /config\.json is not a \.npy or \.npz file/,
    );
  });
});

test("A split keeps classes in the same shares, whatever their order", () => {
  const classes = Array.from({ length: 200 }, (_, sample) => (sample < 150 ? 0 : 1));
  const split = splitByClass(classes);
  const all = [...split.calibration, ...split.evaluation, ...split.validation];
  assert.deepEqual(
    all.toSorted((a, b) => a - b),
    classes.map((_, sample) => sample),
  );
  assert.deepEqual(splitByClass(classes), split);
  for (const part of [split.calibration, split.evaluation]) {
    assert.ok(part.some((sample) => classes[sample] === 0) && part.some((sample) => classes[sample] === 1));
  }
});
