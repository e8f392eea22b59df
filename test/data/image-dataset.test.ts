import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import type { DataSection } from "../../shared/configuration/engine-schema.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import type { ModelPort } from "../../shared/runtime/tensor.js";
import { temporaryFolder } from "./temporary-folder.js";

const folder = await temporaryFolder();

async function png(name: string, width: number, height: number, pixels: Uint8Array, channels: 1 | 3 | 4 = 3) {
  await folder.write(name, await sharp(pixels, { raw: { width, height, channels } }).png().toBuffer());
}

/** Pixels of a test image: red is the column, green the row, blue 7. */
function ruled(width: number, height: number): Uint8Array {
  return Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return [pixel % width, Math.floor(pixel / width), 7][index % 3]!;
  });
}

for (const name of ["pets", "pets/cat", "pets/dog", "mixed", "none"]) await mkdir(join(folder.path, name));
await png("mixed/ruled.png", 6, 4, ruled(6, 4));
await png("mixed/tall.png", 4, 6, ruled(4, 6));
await png("mixed/grey.png", 4, 4, new Uint8Array(16).fill(99), 1);
await png("mixed/clear.png", 4, 4, new Uint8Array(64).fill(10), 4);
await png("pets/cat/1.png", 4, 4, new Uint8Array(48).fill(1));
await png("pets/dog/1.png", 4, 4, new Uint8Array(48).fill(2));
await png("pets/dog/2.png", 4, 4, new Uint8Array(48).fill(3));
await folder.write("labels.txt", "tall.png 3\nruled.png, 1\n");

const INPUT: ModelPort = { name: "image", type: "float32", shape: ["N", 3, 4, 4] };
const DEFAULTS = { layout: "NCHW", channels: "RGB", scale: 1 } as const;

function load(section: DataSection, inputs: readonly ModelPort[] = [INPUT]) {
  return loadDataset(section, { directory: folder.path, inputs, path: "engine.evaluation" });
}

const RULED: DataSection = { images: "mixed", labels: { data: "labels.txt" } };

describe("Images are preprocessed", () => {
  test("cropped to the centre, in planes of red, green and blue", async () => {
    const dataset = await load(RULED);
    const { image } = await dataset.batch([1, 0]);
    assert.deepEqual(image?.dims, [2, 3, 4, 4]);
    const rows = [0, 1, 2, 3];
    const wide = [
      ...rows.flatMap(() => [1, 2, 3, 4]),
      ...rows.flatMap((y) => [y, y, y, y]),
      ...Array(16).fill(7),
    ];
    const tall = [
      ...rows.flatMap(() => [0, 1, 2, 3]),
      ...rows.flatMap((y) => Array(4).fill(y + 1)),
      ...Array(16).fill(7),
    ];
    assert.deepEqual(image?.data, Float32Array.from([...wide, ...tall]));
  });

  test("channels last, blue first, normalized per channel and rounded to the model's type", async () => {
    const preprocess = {
      layout: "NHWC",
      channels: "BGR",
      crop: 2,
      resize: 4,
      scale: 2,
      mean: [14, 0, 1],
      std: [1, 1, 1],
    } as const;
    const input = { name: "image", type: "int32", shape: ["N", "h", "w", 3] };
    const dataset = await load(
      { ...RULED, preprocess: { ...preprocess, mean: [14, 0, 1], std: [1, 1, 1] } },
      [input],
    );
    const { image } = await dataset.batch({ from: 1, to: 2 });
    assert.deepEqual(image, {
      type: "int32",
      dims: [1, 2, 2, 3],
      data: Int32Array.of(0, 2, 3, 0, 2, 5, 0, 4, 3, 0, 4, 5),
    });
  });

  test("grey to three channels, colour to one, and transparency dropped", async () => {
    const colour = await (await load({ images: "mixed" })).batch({ from: 0, to: 2 });
    assert.deepEqual([...new Set<unknown>(colour.image?.data.subarray(0, 48))], [10]);
    assert.deepEqual([...new Set<unknown>(colour.image?.data.subarray(48))], [99]);
    const grey = { name: "image", type: "uint8", shape: ["N", 1, 4, 4] };
    const single = await (
      await load({ images: "pets", preprocess: { ...DEFAULTS, channels: "GRAY" } }, [grey])
    ).batch([1]);
    assert.deepEqual(single.image?.data, new Uint8Array(16).fill(2));
  });

  test("resized by the shorter side; a uniform image stays uniform", async () => {
    const dataset = await load({ images: "pets", preprocess: { ...DEFAULTS, resize: 9, crop: 4 } });
    const { image } = await dataset.batch({ from: 2, to: 3 });
    assert.deepEqual(image?.data, new Float32Array(48).fill(3));
  });
});

describe("Labels of images", () => {
  test("sub-folders are classes in the order of their names", async () => {
    const dataset = await load({ images: "pets", labels: { data: "folders" } });
    assert.equal(dataset.samples, 3);
    assert.deepEqual(dataset.labels({ from: 0, to: 3 }), {
      kind: "numbers",
      shape: [3],
      integers: true,
      data: Int32Array.of(0, 1, 1),
    });
  });

  test("a labels file selects the images, in its order", async () => {
    const dataset = await load(RULED);
    assert.equal(dataset.samples, 2);
    assert.deepEqual(dataset.labels([0, 1]), { kind: "lines", lines: ["3", "1"] });
  });

  test("the content hash changes with images, labels and preprocessing", async () => {
    const sections: readonly DataSection[] = [
      RULED,
      { images: "mixed" },
      { images: "pets" },
      { images: "pets", preprocess: { ...DEFAULTS, scale: 2 } },
      { images: "pets", labels: { data: "folders" } },
    ];
    const hashes = await Promise.all(sections.map(async (section) => (await load(section)).contentHash));
    assert.equal(new Set(hashes).size, sections.length);
    assert.equal((await load(RULED)).contentHash, hashes[0]);
  });
});

/** A PNG whose header states a size that its data do not have. */
async function claimedSize(width: number, height: number): Promise<Buffer> {
  const bytes = await sharp(ruled(4, 4), { raw: { width: 4, height: 4, channels: 3 } })
    .png()
    .toBuffer();
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

describe("Images are refused", () => {
  const REFUSED: readonly [
    title: string,
    section: DataSection,
    inputs: readonly ModelPort[],
    message: string,
  ][] = [
    [
      "no folder",
      { images: "missing" },
      [INPUT],
      "engine.evaluation.images (missing) cannot be read (ENOENT); give the path of a folder of images.",
    ],
    [
      "an empty folder",
      { images: "none" },
      [INPUT],
      "engine.evaluation.images (none) holds no images; give a folder of .jpg, .png, .webp, .tif, .gif or .avif files.",
    ],
    [
      "one class",
      { images: "mixed", labels: { data: "folders" } },
      [INPUT],
      'engine.evaluation.images (mixed) has 0 sub-folders, but labels "folders" takes each as a class; name a labels file instead.',
    ],
    [
      "two inputs",
      RULED,
      [INPUT, { ...INPUT, name: "b" }],
      "engine.evaluation.images (mixed) can feed a model with one input, but this one has 2; give arrays under inputs.",
    ],
    [
      "a size that nothing states",
      RULED,
      [{ ...INPUT, shape: ["N", 3, "h", "w"] }],
      "engine.evaluation.preprocess.crop is missing, and the model takes images of any size; give the size to cut.",
    ],
    [
      "another size than the model's",
      { ...RULED, preprocess: { ...DEFAULTS, crop: 3 } },
      [INPUT],
      "engine.evaluation.images (mixed) has shape [2, 3, 3, 3], but the model takes [samples, 3, 4, 4]; correct preprocess.",
    ],
    [
      "a cut larger than the image",
      { ...RULED, preprocess: { ...DEFAULTS, resize: 3 } },
      [INPUT],
      "engine.evaluation.preprocess.resize is 3, but the cut is 4 by 4; resize to at least 4.",
    ],
    [
      "two means for three channels",
      { ...RULED, preprocess: { ...DEFAULTS, mean: [1, 2] } },
      [INPUT],
      "engine.evaluation.preprocess.mean has 2 values, but RGB has 3 channels; give 1 or 3.",
    ],
    [
      "a line without a label",
      { images: "mixed", labels: { data: "bare.txt" } },
      [INPUT],
      'engine.evaluation.labels (bare.txt) has no label on line 1; write "file name, label" on every line.',
    ],
    [
      "an image that is not there",
      { images: "mixed", labels: { data: "gone.txt" } },
      [INPUT],
      "engine.evaluation.labels (gone.txt) names gone.png on line 2, but there is no such file; correct the name or remove the line.",
    ],
    [
      "an image elsewhere",
      { images: "mixed", labels: { data: "outside.txt" } },
      [INPUT],
      "engine.evaluation.labels (outside.txt) names ../pets/cat/1.png on line 1, which is outside the folder of images; move it there.",
    ],
  ];
  for (const [title, section, inputs, message] of REFUSED) {
    test(title, async () => {
      await folder.write("bare.txt", "tall.png\n");
      await folder.write("gone.txt", "tall.png,1\ngone.png,1\n");
      await folder.write("outside.txt", "../pets/cat/1.png 1\n");
      await assert.rejects(load(section, inputs), { name: "DataError", message });
    });
  }

  test("one of more than 100 million pixels, without decoding it", async () => {
    await mkdir(join(folder.path, "huge"));
    await folder.write("huge/a.png", await claimedSize(20_000, 20_000));
    const dataset = await load({ images: "huge" });
    await assert.rejects(async () => dataset.batch([0]), {
      name: "DataError",
      message:
        /a\.png cannot be decoded as an image \(Input image exceeds pixel limit\); replace it or take it out of the list\.$/,
    });
  });
});

const inOrder = (samples: number) => Array.from({ length: samples }, (_, sample) => sample);
const small = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
  .png()
  .toBuffer();

/** An image whose file ends before its pixels do. */
async function cutShort(format: "jpeg" | "png" | "webp" | "tiff" | "gif" | "avif"): Promise<Uint8Array> {
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
  const whole = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    .toFormat(format)
    .toBuffer();
  return whole.subarray(0, Math.floor(0.6 * whole.length));
}

describe("Images before a run", () => {
  test("are all checked, and a corrupt one is named", async () => {
    await mkdir(join(folder.path, "corrupt"));
    for (let i = 0; i < 20; i++) await png(`corrupt/${i}.png`, 4, 4, new Uint8Array(48).fill(i));
    const valid = await load({ images: "corrupt" });
    await valid.verify(inOrder(20));
    await folder.write("corrupt/cut.jpg", await cutShort("jpeg"));
    const damaged = await load({ images: "corrupt" });
    await assert.rejects(damaged.verify(inOrder(21)), {
      code: "DATA",
      message: /cut\.jpg cannot be decoded as an image/,
    });
    // What the run does not read is no matter.
    await damaged.verify(inOrder(20));
  });

  test("are decoded to the last, however many there are", async () => {
    const many = 2_100;
    await mkdir(join(folder.path, "many"));
    for (let i = 0; i < many; i++) await folder.write(`many/${String(i).padStart(4, "0")}.png`, small);
    await folder.write("many/last.jpg", await cutShort("jpeg"));
    await assert.rejects((await load({ images: "many" })).verify(inOrder(many + 1)), {
      code: "DATA",
      message: /last\.jpg cannot be decoded as an image/,
    });
  });

  for (const format of ["jpeg", "png", "webp", "tiff", "gif", "avif"] as const) {
    test(`that are cut short are found: ${format}`, async () => {
      await mkdir(join(folder.path, format));
      await folder.write(`${format}/1.${format}`, await cutShort(format));
      await assert.rejects((await load({ images: format })).verify([0]), {
        code: "DATA",
        message: /1\.\w+ cannot be decoded as an image/,
      });
    });
  }

  test("are selected by rows, with their labels", async () => {
    const dataset = await load({ images: "pets", labels: { data: "folders" }, rows: [1, 3] });
    assert.equal(dataset.samples, 2);
    const { image } = await dataset.batch([0, 1]);
    assert.deepEqual([image!.data[0], image!.data[48]], [2, 3]);
    const labels = dataset.labels([1, 0]);
    assert.deepEqual(labels?.kind === "numbers" && [...labels.data], [1, 1]);
    const first = await load({ images: "pets", labels: { data: "folders" }, rows: [0, 2] });
    const both = first.labels({ from: 0, to: 2 });
    assert.deepEqual(both?.kind === "numbers" && [...both.data], [0, 1]);
    assert.notEqual(first.contentHash, dataset.contentHash);
    await assert.rejects(load({ images: "pets", rows: [0, 4] }), {
      message: /rows asks for \[0, 4\), but there are 3 images; end it at 3/,
    });
  });

  test("of the other layout are recognized by the model's channels", async () => {
    const nhwc = { name: "image", type: "float32", shape: ["N", 4, 4, 3] };
    await assert.rejects(load({ images: "pets", preprocess: { ...DEFAULTS, crop: 4 } }, [nhwc]), {
      message: /give "layout": "NHWC" in preprocess/,
    });
  });
});
