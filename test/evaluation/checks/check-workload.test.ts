import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import sharp from "sharp";
import { validateConfiguration } from "../../../shared/configuration/parse.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { requireSupported } from "../../../shared/configuration/supported.js";
import { readArray } from "../../../shared/data/array-file.js";
import { checkWorkload } from "../../../shared/evaluation/checks/check-workload.js";
import { loadWorkload } from "../../../shared/evaluation/workload/workload.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { temporaryFolder } from "../../data/temporary-folder.js";
import { npyBytes } from "../../data/write-npy.js";
import { DEMO, demoConfiguration } from "../../end-to-end/steps/demo-configuration.js";
import { buildModel } from "../../fixtures/models/model-builder.js";

const SAMPLES = 100;
const folder = await temporaryFolder();
const demo = await demoConfiguration({ trials: 2, calibration: 40, evaluation: SAMPLES });
const CLASSES = 10;

type Engine = RunConfigurationInput["engine"];
type Section = NonNullable<Engine["evaluation"]>;

async function check(changes: Partial<Engine>) {
  const { configuration, directory } = validateConfiguration(
    { ...demo, engine: { ...demo.engine, ...changes } },
    { directory: folder.path },
  );
  requireSupported(configuration, "tune");
  const workload = await loadWorkload(configuration, directory, async () => new MemoryObjectStore());
  return checkWorkload(workload);
}

const codes = async (changes: Partial<Engine>) => (await check(changes)).map(({ code }) => code);

const section = (name: "calibration" | "evaluation" | "validation"): Section => demo.engine[name]!;
const input = (name: Parameters<typeof section>[0]) =>
  section(name).inputs!.input as { data: string; rows: [number, number] };

/** A section without mean and std. */
function unnormalized(name: Parameters<typeof section>[0], scale: number): Section {
  const { data, rows } = input(name);
  return { ...section(name), inputs: { input: { data, rows, scale } } };
}

describe("A sound workload", () => {
  test("gives no warning", async () => {
    const distinct = await check({});
    // The only note: different samples may be the same picture.
    assert.deepEqual(
      distinct.filter(({ code }) => code !== "shared-rows"),
      [],
    );
  });
});

describe("A float model whose labels do not fit is warned of", () => {
  const labelled = async (name: string, label: (digit: number) => number): Promise<Section> => {
    const { data } = await readArray({ file: join(DEMO, "y.npy"), rows: [0, SAMPLES], name: "labels" });
    const values = Int32Array.from(data as BigInt64Array, (digit) => label(Number(digit)));
    await folder.write(name, npyBytes({ descr: "<i4", shape: [SAMPLES], data: values }));
    return { ...section("evaluation"), labels: name };
  };

  test("where labels are shifted by one", async () => {
    const evaluation = await labelled("shifted.npy", (digit) => (digit + CLASSES - 1) % CLASSES);
    const [found] = (await check({ evaluation })).filter(({ code }) => code === "float-accuracy");
    assert.match(found!.message, /if every label were one more; the labels seem to be shifted/);
  });

  test("where labels are of other classes", async () => {
    const evaluation = await labelled("permuted.npy", (digit) => (digit * 3 + 1) % CLASSES);
    const [found] = (await check({ evaluation })).filter(({ code }) => code === "float-accuracy");
    assert.match(found!.message, /commonest class would be on .* check that labels are the model's classes/);
  });

  test("where inputs are preprocessed otherwise than in training", async () => {
    const spoilt = { data: input("evaluation").data, rows: input("evaluation").rows, scale: -1, mean: [40] };
    const evaluation = { ...section("evaluation"), inputs: { input: spoilt } };
    assert.ok((await codes({ evaluation })).includes("float-accuracy"));
  });
});

describe("Sections of the data", () => {
  test("are warned of where their scale, mean or std differ", async () => {
    for (const scale of [1, 1 / 255 / 10]) {
      const found = await codes({ calibration: unnormalized("calibration", scale) });
      assert.ok(found.includes("calibration-preprocessing"), String(scale));
    }
  });

  test("in less, where scale, mean or std are written otherwise", async () => {
    const { data, rows } = input("calibration");
    for (const other of [{ scale: 0.5 / 255 }, { scale: 1 / 255, mean: [0.1] }]) {
      const [found] = (await check({ calibration: { inputs: { input: { data, rows, ...other } } } })).filter(
        ({ code }) => code === "calibration-preprocessing",
      );
      assert.match(found?.message ?? "", /^input "input" is .* give both the same scale, mean and std\.$/);
    }
  });

  test("not where only the writing differs", async () => {
    const { data, rows, ...rest } = input("calibration") as Record<string, unknown> & {
      data: string;
      rows: [number, number];
    };
    const written = { ...rest, scale: (rest.scale as number) * 1.0000001 };
    const found = await codes({ calibration: { inputs: { input: { data, rows, ...written } } } });
    assert.ok(!found.includes("calibration-preprocessing"));
  });

  test("share rows", async () => {
    const { labels: _, ...calibration } = section("evaluation");
    const [found] = (await check({ calibration })).filter(({ code }) => code === "shared-rows");
    assert.equal(found?.level, "note");
    assert.match(
      found!.message,
      /^100 of the 100 samples of engine\.calibration are samples of engine\.evaluation/,
    );
  });

  test("are refused where validation has the samples of evaluation", async () => {
    await assert.rejects(check({ validation: section("evaluation") }), {
      code: "DATA",
      message: /^engine\.validation holds the samples of engine\.evaluation,.*leave validation out\.$/,
    });
  });
});

describe("Images without labels", () => {
  test("are compared with the float model by metrics that need no labels", async () => {
    await mkdir(join(folder.path, "pictures"));
    for (let i = 0; i < 8; i++) {
      const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, k) => (k * (i + 3) * 37) % 256);
      const file = join(folder.path, "pictures", `${i}.png`);
      await sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } })
        .png()
        .toFile(file);
    }
    const conv = buildModel((graph) => {
      const x = graph.input("x", ["N", 3, 8, 8]);
      const pooled = graph.node("GlobalAveragePool", [
        graph.node("Conv", [x, graph.random("w", [4, 3, 3, 3], 0.3)]),
      ]);
      graph.output(graph.node("Neg", [pooled], {}, { outputs: ["y"] }), DataType.FLOAT, ["N", 4, 1, 1]);
    });
    await folder.write("conv.onnx", encodeModel(conv));
    const { configuration, directory } = validateConfiguration(
      {
        model: { model: "conv.onnx" },
        engine: {
          calibration: { images: "pictures", rows: [0, 4] },
          evaluation: { images: "pictures", rows: [4, 8] },
          metric: { name: "sqnr" },
        },
      },
      { directory: folder.path },
    );
    requireSupported(configuration, "tune");
    const workload = await loadWorkload(configuration, directory, async () => new MemoryObjectStore());
    assert.equal(workload.metric.needs, "float outputs");
    assert.deepEqual(await checkWorkload(workload), []);
    const { evaluation } = configuration.engine;
    const preprocess = { channels: "BGR", layout: "NCHW", scale: 1 } as const;
    const engine = { ...configuration.engine, evaluation: { ...evaluation, preprocess } };
    const warned = await checkWorkload({ ...workload, configuration: { ...configuration, engine } });
    assert.deepEqual(
      warned.map(({ message }) => message),
      ["preprocess.channels is RGB in engine.calibration, but BGR in engine.evaluation; give both the same."],
    );
  });
});
