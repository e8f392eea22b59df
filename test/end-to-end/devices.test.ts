import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { loadConfiguration } from "../../scripts/api/configuration.js";
import { inspect } from "../../scripts/api/inspect.js";
import { configurationHash } from "../../shared/configuration/hash.js";
import { encodeModel } from "../../shared/onnx/model/codec.js";
import { DEVICE_NAMES, type DeviceName } from "../../shared/quantization/device/hardware.js";
import { RandomValues } from "../fixtures/models/random-values.js";
import { configurationAt } from "../quantization/configurations.js";
import { smallNet, tuningOptions } from "../quantization/small-net.js";
import { readyFixture, runModel, worstSqnr } from "./steps/quantizing.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-devices-"));
after(() => rm(folder, { recursive: true, force: true }));

const fixture = { name: "small net", build: () => smallNet() };

/**
 * Smallest signal-to-noise ratio of the small net at 8 bits; with random weights it is lower than that of a
 * trained network.
 */
const LEAST_DECIBEL = 15;

const TRIALS = 12;

/** Widths that a dozen random configurations use. */
const WIDTHS: Readonly<Record<DeviceName, readonly number[]>> = {
  ANY: [4, 8],
  CPU: [4, 8],
  CPU_VNNI: [4, 8],
  CPU_AVX2: [4, 8],
  CPU_ARM64: [4, 8],
  GPU: [8],
  CPU_SPR: [8],
  VPU: [2, 4, 8],
  NPU: [2, 4, 8],
  GNA: [8, 16],
  GNA3: [8, 16],
};

describe("Every device has every preset", () => {
  for (const targetDevice of DEVICE_NAMES) {
    for (const preset of ["performance", "mixed", "accuracy"] as const) {
      test(`${targetDevice}: ${preset}`, async () => {
        const { quantizer, subject, batch, float } = await readyFixture(fixture, {
          targetDevice,
          options: tuningOptions({ preset }),
        });
        const { model, plan, quantizedShare } = quantizer.quantize(subject.space.base);
        assert.equal(quantizedShare.byCount, 1);
        const modes = (tensor: "weights" | "activations") =>
          new Set([...plan[tensor].values()].map(({ mode }) => mode));
        if (targetDevice.startsWith("GNA")) {
          assert.deepEqual([...modes("weights"), ...modes("activations")], ["symmetric", "symmetric"]);
        } else {
          assert.deepEqual([...modes("weights")], [preset === "accuracy" ? "asymmetric" : "symmetric"]);
        }
        const expected = await runModel(float, "disabled", batch);
        for (const level of ["disabled", "all"] as const) {
          const decibel = worstSqnr(expected, await runModel(model, level, batch, subject.hardware));
          assert.ok(decibel > LEAST_DECIBEL, `${decibel} dB`);
        }
      });
    }
  }
});

/**
 * Smallest signal-to-noise ratio between float arithmetic and integer kernels, whose 32-bit sums are rounded
 * once where float sums are rounded often.
 */
const LEAST_AGREEMENT = 20;

describe("Random configurations of a device", () => {
  for (const targetDevice of DEVICE_NAMES) {
    test(`${targetDevice}: ONNX Runtime loads the model and computes the same at every optimization level`, async () => {
      const { quantizer, subject, batch } = await readyFixture(fixture, {
        targetDevice,
        options: tuningOptions({ tuningScope: new Set(["bits", "mode", "granularity", "layer"]) }),
      });
      const { parameters } = subject.space;
      const random = new RandomValues(11);
      const widths = new Set<number>();
      for (let trial = 0; trial < TRIALS; trial++) {
        const draws = Array.from({ length: 60 }, () => Math.abs(random.normal()) % 1);
        const { model, plan } = quantizer.quantize(configurationAt(parameters, draws));
        for (const { bits } of [...plan.weights.values(), ...plan.activations.values()]) widths.add(bits);
        const apart = await runModel(model, "disabled", batch);
        const decibel = worstSqnr(apart, await runModel(model, "all", batch, subject.hardware));
        assert.ok(decibel > LEAST_AGREEMENT, `${decibel} dB in trial ${trial}`);
      }
      assert.deepEqual(
        [...widths].sort((a, b) => a - b),
        WIDTHS[targetDevice],
      );
    });
  }
});

describe("Shared scales", () => {
  const shareScale = async (targetDevice: DeviceName, ...tensors: string[]): Promise<boolean> => {
    const { quantizerOf } = (await readyFixture(fixture, { targetDevice })).subject.layout;
    return new Set(tensors.map((tensor) => quantizerOf.get(tensor))).size === 1;
  };
  for (const [device, concatenated, added] of [
    ["CPU", true, false],
    ["GPU", true, false],
    ["VPU", false, true],
    ["NPU", true, true],
  ] as const) {
    test(`${device}: ${concatenated ? "" : "not "}what is concatenated, ${added ? "" : "not "}what is added`, async () => {
      assert.equal(await shareScale(device, "left", "right"), concatenated);
      assert.equal(await shareScale(device, "stem_relu", "depthwise"), added);
    });
  }
});

describe("A user's hardware file", () => {
  const FILE = {
    device: "MINE",
    schemes: {
      a: { bits: [8], mode: ["asymmetric"], granularity: ["pertensor"] },
      w: { bits: [4], mode: ["symmetric"], granularity: ["perchannel"], level_low: -5, level_high: 5 },
    },
    operations: [
      { types: ["Conv"], role: "weighted", kernel: "integer output", activations: ["a"], weights: ["w"] },
    ],
  };

  test("is read from a path relative to the configuration, and its content becomes part of the configuration and its hash", async () => {
    await writeFile(join(folder, "mine.json"), `// Ours.\n${JSON.stringify(FILE)}`);
    const configuration = {
      model: { model: "m.onnx" },
      engine: {},
      compression: { target_device: "mine.json" },
    };
    const load = async () => (await loadConfiguration({ configuration, directory: folder })).configuration;
    const first = await load();
    const { target_device } = first.compression;
    assert.ok(typeof target_device !== "string" && target_device.device === "MINE");
    await writeFile(join(folder, "mine.json"), JSON.stringify({ ...FILE, device: "ANOTHER" }));
    assert.notEqual(configurationHash(await load()), configurationHash(first));
  });

  test("has its own schemes, op types and numbers of levels", async () => {
    await writeFile(join(folder, "mine.json"), JSON.stringify(FILE));
    await writeFile(join(folder, "net.onnx"), encodeModel(smallNet()));
    const { groups, unquantizable, integerKernels } = await inspect(join(folder, "net.onnx"), {
      targetDevice: join(folder, "mine.json"),
    });
    const tensors = groups.flatMap((group) => group.tensors);
    for (const { kind, choices } of tensors) {
      assert.deepEqual(
        choices.map(({ bits, levels }) => [bits, levels]),
        kind === "weights" ? [[4, { low: -5, high: 5 }]] : [[8, undefined]],
      );
    }
    assert.deepEqual(
      unquantizable.map(({ type, reason }) => [type, reason]),
      [["Gemm", "the target device has no quantized Gemm"]],
    );
    assert.deepEqual([integerKernels.quantized, integerKernels.integer], [4, 0]);
    for (const { reason } of integerKernels.unfused) {
      assert.equal(reason, "ONNX Runtime has no integer Conv with 4-bit weights");
    }
  });
});
