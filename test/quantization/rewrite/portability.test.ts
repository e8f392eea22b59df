import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CodeForm, codeFormOf, type DeviceName } from "../../../shared/quantization/device/hardware.js";
import type { SaturationFix } from "../../../shared/quantization/graph/saturation-fix.js";
import {
  exactClasses,
  isPortable,
  saturatingProducts,
} from "../../../shared/quantization/rewrite/portability.js";
import { PROCESSOR_CLASSES } from "../../../shared/runtime/processor-class.js";
import { readyFixture } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import type { ModelFixture } from "../../fixtures/models/model-fixture.js";
import { tuningOptions } from "../small-net.js";

/**
 * A convolution, a grouped and a depthwise one, and products with a constant left and a constant right
 * operand.
 */
const KERNELS: ModelFixture = {
  name: "kernels",
  build: () =>
    buildModel((graph) => {
      const conv = (name: string, input: string, dims: number[], group = 1): string =>
        graph.node("Conv", [input, graph.random(name, dims, 0.3)], { group, pads: [1, 1, 1, 1] });
      const plain = conv("plain", graph.input("x", [1, 4, 4, 4]), [4, 4, 3, 3]);
      const grouped = conv("grouped", plain, [4, 2, 3, 3], 2);
      const depthwise = conv("depthwise", grouped, [4, 1, 3, 3], 4);
      const flat = graph.node("Reshape", [depthwise, graph.ints("shape", [8, 8])]);
      const left = graph.node("MatMul", [graph.random("left", [6, 8], 0.3), flat]);
      graph.output(graph.node("MatMul", [left, graph.random("right", [8, 3], 0.3)], {}, { outputs: ["y"] }));
    }),
};

async function planned(targetDevice: DeviceName, saturationFix: SaturationFix = "auto") {
  const { subject, quantizer } = await readyFixture(KERNELS, {
    targetDevice,
    saturationFix,
    options: tuningOptions(),
  });
  const { plan } = quantizer.quantize(subject.space.base);
  const forms = (...weights: string[]): CodeForm[] =>
    weights.map((weight) => codeFormOf(plan.weights.get(weight)!));
  return { layout: subject.layout, plan, forms };
}

describe("The base's codes on a class of processors", () => {
  test("are plain INT8 where kernels are exact", async () => {
    for (const device of ["CPU_VNNI", "CPU_ARM64"] as const) {
      const { forms } = await planned(device);
      assert.deepEqual(new Set(forms("plain", "grouped", "depthwise", "left", "right")), new Set(["int8"]));
    }
  });

  test("are paired where kernels saturate, and plain where they do not", async () => {
    const { layout, plan, forms } = await planned("CPU_AVX2");
    assert.deepEqual(forms("plain", "grouped", "right"), ["int8_paired", "int8_paired", "int8_paired"]);
    assert.deepEqual(forms("depthwise"), ["int8"]);
    assert.deepEqual(saturatingProducts(layout, plan, "CPU_AVX2"), []);
  });

  test("follow the saturation fix: none, the first layer or all weights with 7 bits", async () => {
    const { forms, layout, plan } = await planned("CPU_AVX2", "no");
    assert.deepEqual(forms("plain", "grouped", "depthwise", "right"), ["int8", "int8", "int8", "int8"]);
    assert.deepEqual(
      saturatingProducts(layout, plan, "CPU_AVX2").map(({ weight }) => weight!.initializer),
      ["plain", "grouped", "right"],
    );
    const first = await planned("CPU_AVX2", "first_layer");
    assert.deepEqual(first.forms("plain", "grouped", "right"), ["int7", "int8", "int8"]);
    const all = await planned("CPU_VNNI", "all");
    assert.deepEqual(all.forms("plain", "grouped", "depthwise", "right"), ["int7", "int7", "int7", "int7"]);
  });
});

describe("A plan is portable", () => {
  test("where no class can saturate with its codes", async () => {
    for (const [device, fix, exactOn] of [
      ["ANY", "auto", PROCESSOR_CLASSES],
      ["CPU_AVX2", "auto", PROCESSOR_CLASSES],
      ["CPU_VNNI", "all", PROCESSOR_CLASSES],
      ["CPU_VNNI", "auto", ["CPU_VNNI", "CPU_ARM64"]],
      ["CPU_AVX2", "no", ["CPU_VNNI", "CPU_ARM64"]],
    ] as const) {
      const { layout, plan } = await planned(device, fix);
      const found = exactClasses(layout, plan);
      assert.deepEqual(found, [...exactOn], `${device} ${fix}`);
      assert.equal(isPortable(found), exactOn.length === PROCESSOR_CLASSES.length);
    }
  });
});
