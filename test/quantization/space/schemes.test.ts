import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ModelError } from "../../../shared/basics/errors.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import {
  DEVICE_NAMES,
  Hardware,
  type Scheme,
  targetHardware,
} from "../../../shared/quantization/device/hardware.js";
import type { HardwareDocument } from "../../../shared/quantization/device/hardware-schema.js";
import { layOutQuantizers, readersOf } from "../../../shared/quantization/graph/groups.js";
import type { OperandView } from "../../../shared/quantization/graph/quantizable-ops.js";
import { planQuantization } from "../../../shared/quantization/space/plan.js";
import {
  activationSchemes,
  baseScheme,
  deriveActivationSchemes,
  weightSchemes,
} from "../../../shared/quantization/space/schemes.js";
import { deriveSpace } from "../../../shared/quantization/space/space.js";
import type { TuningOptions } from "../../../shared/quantization/space/tuning-options.js";
import { readyFixture } from "../../end-to-end/steps/quantizing.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { prepareSmallNet, quantizationSettings, tuningOptions } from "../small-net.js";

const prepared = await prepareSmallNet();

/** Two products of x, the product of both, and another product of the result. */
const attention = await readyFixture({
  name: "attention",
  build: () =>
    buildModel((graph) => {
      const x = graph.input("x", ["N", 6, 8]);
      const keys = graph.node("Transpose", [graph.matMul(x, 8, 8, { name: "keys" })], { perm: [0, 2, 1] });
      const queries = graph.matMul(x, 8, 8, { name: "queries" });
      const scores = graph.node("MatMul", [queries, keys], {}, { name: "scores", outputs: ["scores"] });
      graph.output(graph.matMul(scores, 6, 4, { name: "behind" }));
    }),
});

/** A device with scales per channel for depthwise convolutions and per tensor for sums. */
function deviceWith(
  depthwise: Pick<HardwareDocument["schemes"][string], "mode" | "granularity">,
  widths: Readonly<Record<"primary" | "sum" | "depthwise", Scheme["bits"]>> = {
    primary: 8,
    sum: 8,
    depthwise: 8,
  },
): Hardware {
  return new Hardware({
    device: "TEST",
    primary_bitwidth: widths.primary,
    schemes: {
      sum: { bits: [widths.sum], mode: ["symmetric", "asymmetric"], granularity: ["pertensor"] },
      depthwise: { bits: [widths.depthwise], ...depthwise },
      weights: { bits: [8], mode: ["symmetric"], granularity: ["perchannel"] },
    },
    operations: [
      {
        types: ["Conv"],
        role: "weighted",
        kernel: "integer output",
        activations: ["sum"],
        weights: ["weights"],
      },
      {
        types: ["DepthwiseConv"],
        role: "weighted",
        kernel: "integer output",
        activations: ["depthwise"],
        weights: ["weights"],
      },
      { types: ["Add"], role: "follower", kernel: "integer output", activations: ["sum"] },
      { types: ["Reshape", "MaxPool"], role: "agnostic" },
    ],
  });
}

function viewOn(hardware: Hardware): OperandView {
  const index = new GraphIndex(prepared.model.graph);
  return { index, tensors: prepared.tensors, hardware, inFloat: new Map() };
}

function activationsOfShared(hardware: Hardware): readonly Scheme[] {
  const layout = layOutQuantizers(viewOn(hardware));
  const quantizer = layout.activations.get(layout.quantizerOf.get("stem_relu")!)!;
  assert.deepEqual(
    readersOf(new Set(quantizer.tensors), layout.ops.values()).map(({ name }) => name),
    ["depthwise", "residual"],
  );
  return activationSchemes(quantizer, layout, hardware, tuningOptions());
}

function schemesOfShared(hardware: Hardware): string[] {
  return activationsOfShared(hardware).map(({ mode, granularity }) => `${mode}/${granularity}`);
}

describe("Choices of a tensor that several ops share", () => {
  test("are per tensor, in both modes, if one op has only per tensor and another per channel", () => {
    const hardware = deviceWith({ mode: ["symmetric", "asymmetric"], granularity: ["perchannel"] });
    assert.deepEqual(schemesOfShared(hardware), ["symmetric/pertensor", "asymmetric/pertensor"]);
  });

  test("are the schemes that both ops have", () => {
    const hardware = deviceWith({ mode: ["asymmetric"], granularity: ["perchannel", "pertensor"] });
    assert.deepEqual(schemesOfShared(hardware), ["asymmetric/pertensor"]);
  });

  test("do not depend on the producer of the tensor where it has readers", () => {
    const hardware = deviceWith({ mode: ["asymmetric"], granularity: ["pertensor"] });
    const view = viewOn(hardware);
    const layout = layOutQuantizers(view);
    const schemesOf = (tensor: string) =>
      activationSchemes(layout.activations.get(tensor)!, layout, hardware, tuningOptions()).map(
        ({ mode }) => mode,
      );
    assert.deepEqual(schemesOf("depthwise"), ["symmetric", "asymmetric"], "read by the sum");
    assert.deepEqual(schemesOf("left"), ["symmetric", "asymmetric"], "read by nobody, made by a Conv");
  });
});

describe("Pinned schemes", () => {
  const { layout, hardware } = makeSubject(prepared, quantizationSettings());
  const weight = layout.weights.get("stem.weight")!;
  const activation = layout.activations.get("stem_relu")!;

  test("leave the schemes that agree with them", () => {
    const options = tuningOptions({
      weights: { bits: 8, granularity: "pertensor" },
      activations: { mode: "asymmetric" },
    });
    assert.deepEqual(
      weightSchemes(weight, layout, hardware, options).map(({ granularity }) => granularity),
      ["pertensor", "pertensor"],
    );
    assert.deepEqual(
      activationSchemes(activation, layout, hardware, options).map(({ mode }) => mode),
      ["asymmetric"],
    );
  });

  test("that the device does not support are refused, naming the supported ones", () => {
    const options = tuningOptions({ activations: { granularity: "perchannel" } });
    assert.throws(() => activationSchemes(activation, layout, hardware, options), {
      code: "MODEL",
      message:
        'The target device CPU_VNNI cannot quantize activation "stem_relu" as {"granularity":"perchannel"}; choose from 8 bit symmetric pertensor, 8 bit asymmetric pertensor, or put its op into `ignored`.',
    });
  });
});

describe('model_type "transformer"', () => {
  const { layout, hardware } = attention.subject;
  const modes = (tensor: string, options: Partial<TuningOptions>): string[] => {
    const quantizer = layout.activations.get(layout.quantizerOf.get(tensor)!)!;
    const { schemes } = deriveActivationSchemes(quantizer, layout, hardware, tuningOptions(options));
    return [...new Set(schemes.map(({ mode }) => mode))];
  };

  test("makes both operands of a product of activations symmetric, and no other tensor", () => {
    for (const tensor of ["queries_output", "keys_output"]) {
      assert.deepEqual(modes(tensor, { symmetricProducts: true }), ["symmetric"], tensor);
      assert.deepEqual(modes(tensor, {}), ["symmetric", "asymmetric"], tensor);
    }
    for (const tensor of ["x", "scores"]) {
      assert.deepEqual(modes(tensor, { symmetricProducts: true }), ["symmetric", "asymmetric"], tensor);
    }
  });

  test("overrides a pinned mode, as in POT", () => {
    const options = { symmetricProducts: true, activations: { mode: "asymmetric" } } as const;
    assert.deepEqual(modes("queries_output", options), ["symmetric"]);
    assert.deepEqual(modes("x", options), ["asymmetric"]);
  });

  test("uses the symmetric range estimator, also where the preset has asymmetric activations", () => {
    const options = tuningOptions({ preset: "mixed", symmetricProducts: true });
    const { base } = deriveSpace(layout, hardware, options);
    const { activations } = planQuantization(layout, hardware, options, base);
    const estimators = new Map(
      [...activations].map(([id, { mode, estimator }]) => [id, `${mode} ${estimator.max.type}`]),
    );
    assert.equal(estimators.get("queries_output"), "symmetric abs_max");
    assert.equal(estimators.get("x"), "asymmetric max");
  });
});

describe("Schemes of several widths", () => {
  const scheme = (bits: Scheme["bits"], mode: Scheme["mode"]): Scheme => ({
    bits,
    mode,
    granularity: "pertensor",
  });

  test("presets take the first of both (performance), the last of activations (mixed), the last of both (accuracy)", () => {
    const vpu = [scheme(8, "symmetric"), scheme(4, "symmetric"), scheme(8, "asymmetric")];
    const chosen = (preset: TuningOptions["preset"]) =>
      (["weights", "activations"] as const).map(
        (tensor) => baseScheme(vpu, tensor, tuningOptions({ preset }), targetHardware("VPU")).mode,
      );
    assert.deepEqual(chosen("performance"), ["symmetric", "symmetric"]);
    assert.deepEqual(chosen("mixed"), ["symmetric", "asymmetric"]);
    assert.deepEqual(chosen("accuracy"), ["asymmetric", "asymmetric"]);
  });

  test("no preset uses fewer bits than the primary width, unless they are pinned", () => {
    const narrowFirst = [scheme(4, "symmetric"), scheme(8, "symmetric"), scheme(4, "asymmetric")];
    for (const preset of ["performance", "mixed", "accuracy"] as const) {
      for (const tensor of ["weights", "activations"] as const) {
        const options = tuningOptions({ preset });
        assert.equal(baseScheme(narrowFirst, tensor, options, targetHardware("CPU")).bits, 8);
        const pinned = { ...options, [tensor]: { bits: 4 } };
        assert.equal(baseScheme(narrowFirst, tensor, pinned, targetHardware("CPU")).bits, 4);
      }
    }
  });

  test("on every device a pinned field does not lead to fewer bits than the primary width", () => {
    for (const device of DEVICE_NAMES) {
      const hardware = targetHardware(device);
      const { layout } = makeSubject(prepared, { ...quantizationSettings(), targetDevice: device });
      for (const pinned of [
        { mode: "symmetric" },
        { mode: "asymmetric" },
        { granularity: "pertensor" },
        { granularity: "perchannel" },
        { codes: "int7" },
        { codes: "uint8" },
      ] as const) {
        const options = tuningOptions({ weights: pinned });
        for (const quantizer of layout.weights.values()) {
          try {
            const schemes = weightSchemes(quantizer, layout, hardware, options);
            const { bits } = baseScheme(schemes, "weights", options, hardware);
            assert.ok(bits >= hardware.primaryBitwidth, `${device} ${JSON.stringify(pinned)}: ${bits}`);
          } catch (error) {
            assert.ok(error instanceof ModelError, String(error));
            assert.match(error.message, /add "bits": \d|choose from/);
          }
        }
      }
    }
  });

  test("without a common width use the primary one, otherwise the smaller", () => {
    const shared = (primary: Scheme["bits"], sum: Scheme["bits"], depthwise: Scheme["bits"]) => {
      const hardware = deviceWith(
        { mode: ["symmetric"], granularity: ["pertensor"] },
        { primary, sum, depthwise },
      );
      return activationsOfShared(hardware).map(({ bits }) => bits);
    };
    assert.deepEqual(shared(8, 8, 16), [8]);
    assert.deepEqual(shared(16, 8, 16), [16]);
    assert.deepEqual(shared(2, 8, 16), [8]);
    assert.deepEqual(shared(8, 16, 16), [16]);
  });

  test("accept pinned levels where the width has enough codes", () => {
    const { layout, hardware } = makeSubject(prepared, quantizationSettings());
    const weight = layout.weights.get("stem.weight")!;
    const levels = { low: -60, high: 60 };
    const schemes = weightSchemes(weight, layout, hardware, tuningOptions({ weights: { levels } }));
    assert.deepEqual(new Set(schemes.map(({ bits }) => bits)), new Set([8]));
    assert.ok(schemes.every((each) => each.levels?.low === -60));
    assert.throws(
      () => weightSchemes(weight, layout, hardware, tuningOptions({ weights: { levels, bits: 4 } })),
      /as \{"bits":4,"level_low":-60,"level_high":60\}; choose from/,
    );
  });
});
