import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { planQuantization } from "../../../shared/quantization/space/plan.js";
import {
  presetOptions,
  TRIED_PRESETS,
  triesPresets,
} from "../../../shared/quantization/space/preset-options.js";
import type { TuningOptions } from "../../../shared/quantization/space/tuning-options.js";
import { prepareSmallNet, quantizationSettings, tuningOptions } from "../small-net.js";

const prepared = await prepareSmallNet();
const SCOPES: Partial<TuningOptions> = {
  tuningScope: new Set(["layer", "mode", "range_estimator"]),
  estimatorScope: new Set(["type", "aggregator"]),
};

function subjectOf(options: Partial<TuningOptions>) {
  return makeSubject(prepared, quantizationSettings(presetOptions(tuningOptions(options))));
}

function maxTypes(options: Partial<TuningOptions>, tensor: "activations" | "weights"): Set<string> {
  const { layout, hardware, settings } = subjectOf(options);
  const plan = planQuantization(layout, hardware, settings.options, {});
  return new Set([...plan[tensor].values()].map(({ estimator }) => estimator.max.type));
}

describe("Quantizing without a search", () => {
  test("varies only the preset of range estimators, among those that are tried", () => {
    const { space } = subjectOf(SCOPES);
    const activations = space.parameters.filter(({ family }) => family?.startsWith("activations/"));
    assert.ok(activations.length > 0);
    for (const { family, choices } of activations) {
      assert.equal(family, "activations/symmetric/preset");
      assert.deepEqual(new Set(choices), new Set(TRIED_PRESETS));
    }
  });

  test("varies nothing where an estimator is pinned, for activations or for all tensors", () => {
    const pinned = { rangeEstimator: { preset: "quantile" } } as const;
    for (const options of [pinned, { activations: pinned }]) {
      assert.deepEqual(subjectOf({ ...SCOPES, ...options }).space.parameters, []);
      assert.deepEqual(maxTypes(options, "activations"), new Set(["abs_quantile"]));
      assert.ok(!triesPresets(tuningOptions(options)));
    }
  });

  test("keeps a pinned estimator of weights and still varies that of activations", () => {
    const options = { weights: { rangeEstimator: { preset: "mse" } } } as const;
    assert.deepEqual(maxTypes(options, "weights"), new Set(["mse"]));
    assert.ok(triesPresets(tuningOptions(options)));
  });
});
