import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GraphIndex } from "../../shared/onnx/graph-index.js";
import { layOutQuantizers } from "../../shared/quantization/groups.js";
import { Hardware } from "../../shared/quantization/hardware.js";
import type { HardwareDocument } from "../../shared/quantization/hardware-schema.js";
import { activationSchemes, weightSchemes } from "../../shared/quantization/schemes.js";
import { makeSubject } from "../../shared/scoring/subject.js";
import { prepareSmallNet, quantizationSettings, tuningOptions } from "./small-net.js";

const prepared = await prepareSmallNet();

/** A device whose dense layers take their input a channel, or not at all alike, and its convolutions a tensor. */
function deviceWith(dense: Pick<HardwareDocument["schemes"][string], "mode" | "granularity">): Hardware {
  return new Hardware({
    device: "TEST",
    primary_bitwidth: 8,
    schemes: {
      conv: { bits: [8], mode: ["symmetric", "asymmetric"], granularity: ["pertensor"] },
      dense: { bits: [8], ...dense },
      weights: { bits: [8], mode: ["symmetric"], granularity: ["perchannel"] },
    },
    operations: [
      {
        types: ["Conv"],
        role: "weighted",
        kernel: "integer output",
        activations: ["conv"],
        weights: ["weights"],
      },
      {
        types: ["GlobalAveragePool", "Concat"],
        role: "follower",
        kernel: "integer output",
        activations: ["conv"],
      },
      { types: ["Gemm"], role: "weighted", activations: ["dense"], weights: ["weights"] },
      { types: ["Reshape", "MaxPool"], role: "agnostic" },
    ],
  });
}

function schemesOfPooled(hardware: Hardware): string[] {
  const view = {
    index: new GraphIndex(prepared.model.graph),
    tensors: prepared.tensors,
    hardware,
    ignored: {},
  };
  const layout = layOutQuantizers(view);
  const quantizer = layout.activations.get(layout.quantizerOf.get("averaged")!)!;
  assert.ok(quantizer.tensors.includes("flat"), "the pool's output is what the dense layer reads");
  return activationSchemes(quantizer, layout, hardware, tuningOptions()).map(
    ({ mode, granularity }) => `${mode}/${granularity}`,
  );
}

describe("Choices of a tensor that several ops share", () => {
  test("28: per tensor here and per channel there leaves per tensor, in both modes", () => {
    const hardware = deviceWith({ mode: ["symmetric", "asymmetric"], granularity: ["perchannel"] });
    assert.deepEqual(schemesOfPooled(hardware), ["symmetric/pertensor", "asymmetric/pertensor"]);
  });

  test("what both have is taken as it is", () => {
    const hardware = deviceWith({ mode: ["asymmetric"], granularity: ["perchannel", "pertensor"] });
    assert.deepEqual(schemesOfPooled(hardware), ["asymmetric/pertensor"]);
  });
});

describe("Pinned schemes", () => {
  const { layout, hardware } = makeSubject(prepared, quantizationSettings());
  const weight = layout.weights.get("stem.weight")!;
  const activation = layout.activations.get("stem_relu")!;

  test("leave what agrees with them", () => {
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

  test("that the device cannot do are refused with what it can", () => {
    const options = tuningOptions({ activations: { granularity: "perchannel" } });
    assert.throws(() => activationSchemes(activation, layout, hardware, options), {
      code: "MODEL",
      message:
        'The target device CPU cannot quantize activation "stem_relu" as {"granularity":"perchannel"}; choose from 8 bit symmetric pertensor, 8 bit asymmetric pertensor, or put its op into `ignored`.',
    });
  });
});
