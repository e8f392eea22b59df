import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { ValueInfoProtoSchema } from "onnx-buf";
import sharp from "sharp";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import { npyBytes } from "../data/write-npy.js";
import { GraphBuilder, makeModel } from "../fixtures/models/model-builder.js";
import { RandomValues } from "../fixtures/models/random-values.js";
import { ROOT } from "./pages.js";

const SIDE = 8;
const SAMPLES = 1300;
const CLASSES = 4;
const PHOTO_SIDE = 40;
const PHOTOS_A_CLASS = 6;
const CACHE = "statistics";

/**
 * What a reader of the guide has: the package installed, and the model, samples and images that the pages name. `npx` only
 * looks among the installed binaries.
 */
export async function makeReaderFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "quantfleet-guide-"));
  installPackage(folder);
  writeFileSync(join(folder, "mynet.onnx"), imageClassifier(1, SIDE));
  writeFileSync(join(folder, "photos.onnx"), imageClassifier(3, 32));
  const { pixels, labels } = brightQuadrants();
  writeFileSync(
    join(folder, "x.npy"),
    npyBytes({ descr: "|u1", shape: [SAMPLES, 1, SIDE, SIDE], data: pixels }),
  );
  writeFileSync(join(folder, "y.npy"), npyBytes({ descr: "<i4", shape: [SAMPLES], data: labels }));
  await writePhotos(join(folder, "photos"));
  return folder;
}

/** The environment of a reader's shell in that folder. */
export function readerEnvironment(folder: string): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(NODE_|npm_|AWS_|QUANTFLEET_)/.test(name)),
    ),
    PATH: `${join(folder, "node_modules", ".bin")}:${process.env.PATH}`,
    QUANTFLEET_CACHE: join(folder, CACHE),
  };
}

function installPackage(folder: string): void {
  const bin = join(folder, "node_modules", ".bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(ROOT, join(folder, "node_modules", "quantfleet"));
  symlinkSync(join(ROOT, "dist", "scripts", "quantfleet.js"), join(bin, "quantfleet"));
  // The real npx would ask the registry for what is not installed, and takes longer than the commands themselves.
  writeFileSync(join(bin, "npx"), '#!/bin/sh\nexec "$@"\n');
  chmodSync(join(bin, "npx"), 0o755);
}

/**
 * A classifier that finds the brightest quadrant: a smoothing convolution, a second one that keeps its channels apart, and
 * the mean of each quadrant as a score.
 */
function imageClassifier(channels: number, side: number): Uint8Array {
  const builder = new GraphBuilder();
  const half = side / 2;
  const input = builder.input("input", ["N", channels, side, side]);
  const hidden = 8;
  const smoothing = Array.from(
    { length: hidden * channels * 9 },
    (_, at) => (1 + (at % 3) / 10) / (9 * channels),
  );
  const first = builder.node(
    "Conv",
    [
      input,
      builder.floats("conv1.weight", [hidden, channels, 3, 3], smoothing),
      builder.floats("conv1.bias", [hidden], Array(hidden).fill(1)),
    ],
    { pads: [1, 1, 1, 1] },
    { name: "/conv1/Conv" },
  );
  const active = builder.node("Relu", [first], {}, { name: "/relu" });
  const mixing = Array.from({ length: hidden * hidden }, (_, at) => (at % (hidden + 1) === 0 ? 1 : 0.02));
  const second = builder.node(
    "Conv",
    [active, builder.floats("conv2.weight", [hidden, hidden, 1, 1], mixing)],
    {},
    { name: "/conv2/Conv" },
  );
  const pooled = builder.node(
    "AveragePool",
    [second],
    { kernel_shape: [half, half], strides: [half, half] },
    { name: "/pool" },
  );
  const flat = builder.node("Flatten", [pooled], {}, { name: "/flatten" });
  const scores = Array.from({ length: hidden * 4 * CLASSES }, (_, at) =>
    Math.floor(at / CLASSES) % 4 === at % CLASSES ? 1 : 0,
  );
  const logits = builder.node(
    "MatMul",
    [flat, builder.floats("head.weight", [hidden * 4, CLASSES], scores)],
    {},
    { name: "/head/MatMul", outputs: ["logits"] },
  );
  builder.graph.output.push(create(ValueInfoProtoSchema, { name: logits }));
  return encodeModel(makeModel(builder.graph));
}

/** Noise with one quadrant brighter than the others; the label is that quadrant. */
function brightQuadrants(): { readonly pixels: Uint8Array; readonly labels: Int32Array } {
  const random = new RandomValues(1);
  const labels = Int32Array.from({ length: SAMPLES }, () => Math.floor(random.uniform() * CLASSES));
  const pixels = new Uint8Array(SAMPLES * SIDE * SIDE);
  pixels.forEach((_, at) => {
    const [sample, row, column] = [Math.floor(at / SIDE ** 2), Math.floor(at / SIDE) % SIDE, at % SIDE];
    pixels[at] =
      Math.floor(random.uniform() * 160) + (quadrant(row, column, SIDE) === labels[sample] ? 60 : 0);
  });
  return { pixels, labels };
}

async function writePhotos(folder: string): Promise<void> {
  const random = new RandomValues(2);
  for (let label = 0; label < CLASSES; label++) {
    const own = join(folder, `quadrant-${label}`);
    mkdirSync(own, { recursive: true });
    for (let photo = 0; photo < PHOTOS_A_CLASS; photo++) {
      const pixels = Uint8Array.from({ length: PHOTO_SIDE ** 2 * 3 }, (_, at) => {
        const [row, column] = [Math.floor(at / 3 / PHOTO_SIDE), Math.floor(at / 3) % PHOTO_SIDE];
        return Math.floor(random.uniform() * 120) + (quadrant(row, column, PHOTO_SIDE) === label ? 100 : 0);
      });
      const raw = { width: PHOTO_SIDE, height: PHOTO_SIDE, channels: 3 } as const;
      await sharp(pixels, { raw })
        .png()
        .toFile(join(own, `${photo}.png`));
    }
  }
}

function quadrant(row: number, column: number, side: number): number {
  return 2 * Number(row >= side / 2) + Number(column >= side / 2);
}
