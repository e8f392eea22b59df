import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { QuantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import { companionChoices } from "../../../shared/evaluation/model/chosen-algorithms.js";
import { ModelVariants } from "../../../shared/evaluation/model/model-variants.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject, type Subject } from "../../../shared/evaluation/model/tunable-model.js";
import type { TunedCompanion } from "../../../shared/quantization/space/algorithm-space.js";
import { DEMO } from "../../end-to-end/steps/demo-configuration.js";
import { quantizationSettings } from "../../quantization/small-net.js";

const everywhere = {};
const EQUALIZATION: TunedCompanion = { name: "CrossLayerEqualization", optional: true };
const CORRECTION: TunedCompanion = {
  name: "FastBiasCorrection",
  optional: true,
  setting: { key: "threshold", base: 2, choices: [1, 2] },
};
const corrected = { sequential: false, threshold: 2, ignored: everywhere } as const;
const LISTED: QuantizationSettings = {
  ...quantizationSettings(),
  layerEqualization: { ignored: everywhere },
  biasCorrection: corrected,
};
const original = makeSubject(await prepareModelFile(join(DEMO, "model.onnx")), {
  ...LISTED,
  tunedCompanions: [EQUALIZATION, CORRECTION, { name: "ActivationChannelAlignment", optional: true }],
});

/** Variants whose rewriting is told, and carried out in name only. */
function variantsOf(rewritten: string[] = []) {
  const rewrite = async (subject: Subject): Promise<Subject> => {
    const name = subject.settings.layerEqualization === undefined ? "as given" : "equalized";
    rewritten.push(name);
    return { ...subject, prepared: { ...subject.prepared, rewritings: [name] } };
  };
  return new ModelVariants(original, rewrite, ({ prepared }) => `statistics/${prepared.rewritings}`);
}

describe("Variants of a model", () => {
  test("have only parameters that change something", () => {
    assert.deepEqual(original.tunedCompanions, [EQUALIZATION, CORRECTION]);
    assert.deepEqual(
      original.space.parameters.map(({ name }) => name),
      ["CrossLayerEqualization/apply", "FastBiasCorrection/apply", "FastBiasCorrection/threshold"],
    );
  });

  test("share a form of the float model, which is rewritten once", async () => {
    const rewritten: string[] = [];
    const variants = variantsOf(rewritten);
    const [plain, uncorrected, off] = await Promise.all([
      variants.of({}),
      variants.of({ "FastBiasCorrection/apply": false }),
      variants.of({ "CrossLayerEqualization/apply": false, "FastBiasCorrection/threshold": 1 }),
    ]);
    assert.deepEqual(rewritten, ["equalized", "as given"]);
    assert.equal(plain!.statisticsKey, uncorrected!.statisticsKey);
    assert.notEqual(plain!.statisticsKey, off!.statisticsKey);
    assert.equal(new Set([plain!.name, uncorrected!.name, off!.name]).size, 3);
    assert.deepEqual(plain!.subject.settings.biasCorrection, corrected);
    assert.equal(uncorrected!.subject.settings.biasCorrection, undefined);
    assert.deepEqual(off!.subject.settings.biasCorrection, { ...corrected, threshold: 1 });
  });

  test("are gathered statistics for once a form, for every other companion", async () => {
    const variants = variantsOf();
    const forms = await variants.rewritten();
    assert.equal(variants.forms, 2);
    assert.deepEqual(
      forms.map(({ statisticsKey }) => statisticsKey),
      ["statistics/equalized", "statistics/as given"],
    );
    for (const { subject } of forms) {
      assert.deepEqual(subject.settings.biasCorrection, corrected);
      assert.deepEqual(subject.statistics, original.statistics);
      assert.deepEqual(subject.space, original.space);
    }
  });
});

describe("What an earlier run had fixed", () => {
  const choices = (fixed: Partial<QuantizationSettings>) =>
    companionChoices(original.tunedCompanions, { ...quantizationSettings(), ...fixed });

  test("is left out where it was not listed", () => {
    assert.deepEqual(choices({}), {
      "CrossLayerEqualization/apply": false,
      "FastBiasCorrection/apply": false,
    });
  });

  test("has its own settings where it was", () => {
    assert.deepEqual(choices({ ...LISTED, biasCorrection: { ...corrected, threshold: 5 } }), {
      "CrossLayerEqualization/apply": true,
      "FastBiasCorrection/apply": true,
      "FastBiasCorrection/threshold": 5,
    });
  });

  test("is left out where another correction took its place", () => {
    const { "FastBiasCorrection/apply": applied } = choices({
      biasCorrection: { ...corrected, sequential: true },
    });
    assert.equal(applied, false);
  });
});
