import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { QuantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import { fixedAlgorithmChoices } from "../../../shared/evaluation/model/chosen-algorithms.js";
import { ModelVariants } from "../../../shared/evaluation/model/model-variants.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject, type Subject } from "../../../shared/evaluation/model/tunable-model.js";
import { configured, settingsByKey } from "../../../shared/quantization/algorithms/algorithm.js";
import { biasCorrection } from "../../../shared/quantization/algorithms/bias-correction.js";
import { crossLayerEqualization } from "../../../shared/quantization/algorithms/cross-layer-equalization.js";
import { fastBiasCorrection } from "../../../shared/quantization/algorithms/fast-bias-correction.js";
import type { TunedAlgorithm } from "../../../shared/quantization/space/algorithm-space.js";
import { DEMO } from "../../end-to-end/steps/demo-configuration.js";
import { quantizationSettings } from "../../quantization/small-net.js";

const everywhere = {};
const EQUALIZATION: TunedAlgorithm = { name: "CrossLayerEqualization", optional: true };
const CORRECTION: TunedAlgorithm = {
  name: "FastBiasCorrection",
  optional: true,
  setting: { key: "threshold", base: 2, choices: [1, 2] },
};
const corrected = { sequential: false, threshold: 2, ignored: everywhere } as const;
const EQUALIZED = configured(crossLayerEqualization, { ignored: everywhere });
const LISTED: QuantizationSettings = {
  ...quantizationSettings(),
  algorithms: [EQUALIZED, configured(fastBiasCorrection, corrected)],
};
const original = makeSubject(await prepareModelFile(join(DEMO, "model.onnx")), {
  ...LISTED,
  tunedAlgorithms: [EQUALIZATION, CORRECTION, { name: "ActivationChannelAlignment", optional: true }],
});

/** Variants whose rewriting is recorded and changes only the rewritings' descriptions. */
function variantsOf(rewritten: string[] = []) {
  const rewrite = async (subject: Subject): Promise<Subject> => {
    const name = subject.settings.algorithms.includes(EQUALIZED) ? "equalized" : "as given";
    rewritten.push(name);
    return { ...subject, prepared: { ...subject.prepared, rewritings: [name] } };
  };
  return new ModelVariants(original, rewrite, ({ prepared }) => `statistics/${prepared.rewritings}`);
}

/** The settings of the bias correction of a variant. */
const correctionOf = ({ settings }: Subject) => settingsByKey(settings.algorithms).biasCorrection;

describe("Variants of a model", () => {
  test("have parameters only of algorithms that have an effect", () => {
    assert.deepEqual(original.tunedAlgorithms, [EQUALIZATION, CORRECTION]);
    assert.deepEqual(
      original.space.parameters.map(({ name }) => name),
      ["CrossLayerEqualization/apply", "FastBiasCorrection/apply", "FastBiasCorrection/threshold"],
    );
  });

  test("share a rewritten form of the float model, which is made once", async () => {
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
    assert.deepEqual(correctionOf(plain!.subject), corrected);
    assert.equal(correctionOf(uncorrected!.subject), undefined);
    assert.deepEqual(correctionOf(off!.subject), { ...corrected, threshold: 1 });
  });

  test("have one key of statistics per form, with the statistics of all other algorithms", async () => {
    const variants = variantsOf();
    const forms = await variants.rewritten();
    assert.equal(variants.forms, 2);
    assert.deepEqual(
      forms.map(({ statisticsKey }) => statisticsKey),
      ["statistics/equalized", "statistics/as given"],
    );
    for (const { subject } of forms) {
      assert.deepEqual(correctionOf(subject), corrected);
      assert.deepEqual(subject.statistics, original.statistics);
      assert.deepEqual(subject.space, original.space);
    }
  });
});

describe("An algorithm that an earlier run did not tune", () => {
  const choices = (fixed: Partial<QuantizationSettings>) =>
    fixedAlgorithmChoices(original.tunedAlgorithms, { ...quantizationSettings(), ...fixed });

  test("counts as left out if that run did not list it", () => {
    assert.deepEqual(choices({}), {
      "CrossLayerEqualization/apply": false,
      "FastBiasCorrection/apply": false,
    });
  });

  test("counts as applied with that run's settings if it was listed", () => {
    assert.deepEqual(
      choices({
        algorithms: [EQUALIZED, configured(fastBiasCorrection, { ...corrected, threshold: 5 })],
      }),
      {
        "CrossLayerEqualization/apply": true,
        "FastBiasCorrection/apply": true,
        "FastBiasCorrection/threshold": 5,
      },
    );
  });

  test("counts as left out if that run had the other bias correction", () => {
    const { "FastBiasCorrection/apply": applied } = choices({
      algorithms: [configured(biasCorrection, { ...corrected, sequential: true })],
    });
    assert.equal(applied, false);
  });
});
