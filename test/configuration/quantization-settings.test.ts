import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfiguration } from "../../shared/configuration/parse.js";
import { quantizationSettings } from "../../shared/configuration/quantization-settings.js";
import { spoil } from "../fixtures/broken/spoiled-configuration.js";

function settingsOf(params: unknown) {
  const text = spoil("compression.algorithms[0].params", params);
  return quantizationSettings(parseConfiguration(text, { file: "run.json" }).configuration);
}

test("pinned estimators keep every field: type, aggregator, outlier probability, clipping value", () => {
  const { options } = settingsOf({
    range_estimator: {
      min: { type: "quantile", aggregator: "batch_mean", outlier_prob: 0.01, clipping_value: -2 },
      max: { aggregator: "power_of_2", clipping_value: 6 },
    },
  });
  assert.deepEqual(options.rangeEstimator, {
    preset: "default",
    min: { type: "quantile", aggregator: "batch_mean", outlierProb: 0.01, clippingValue: -2 },
    max: { aggregator: "power_of_2", clippingValue: 6 },
  });
});

test("a saturation fix is passed on, and is auto when omitted", () => {
  for (const saturation_fix of ["auto", "first_layer", "all", "no"] as const) {
    assert.equal(settingsOf({ saturation_fix }).saturationFix, saturation_fix);
  }
  assert.equal(settingsOf({}).saturationFix, "auto");
});
