import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planQuantization } from "../../shared/quantization/plan.js";
import { presetOptions } from "../../shared/quantization/preset-options.js";
import type { TuningOptions } from "../../shared/quantization/tuning-options.js";
import { makeSubject } from "../../shared/scoring/subject.js";
import { prepareSmallNet, quantizationSettings, tuningOptions } from "./small-net.js";

const { layout, hardware } = makeSubject(await prepareSmallNet(), quantizationSettings());

function planOf(options: Partial<TuningOptions>) {
  return planQuantization(layout, hardware, presetOptions(tuningOptions(options)), {});
}

function typesOf(options: Partial<TuningOptions>, tensor: "activations" | "weights"): Set<string> {
  return new Set([...planOf(options)[tensor].values()].map(({ estimator }) => estimator.max.type));
}

describe("Quantizing without a search", () => {
  test("estimates activations by the error of the outputs, weights by their largest magnitude", () => {
    for (const preset of ["performance", "mixed"] as const) {
      assert.deepEqual(typesOf({ preset }, "activations"), new Set(["output_mse"]));
      assert.deepEqual(typesOf({ preset }, "weights"), new Set(["abs_max"]));
    }
  });

  test("leaves any estimator that is pinned, for activations or for everything", () => {
    const pinned = { preset: "default" } as const;
    assert.deepEqual(typesOf({ rangeEstimator: pinned }, "activations"), new Set(["abs_max"]));
    assert.deepEqual(
      typesOf({ activations: { rangeEstimator: pinned } }, "activations"),
      new Set(["abs_max"]),
    );
    assert.deepEqual(
      typesOf({ weights: { rangeEstimator: { preset: "mse" } } }, "weights"),
      new Set(["mse"]),
      "weights' own leaves activations as they are by default",
    );
    assert.deepEqual(
      typesOf({ weights: { rangeEstimator: { preset: "mse" } } }, "activations"),
      new Set(["output_mse"]),
    );
  });

  test("varies nothing, so that no statistic beyond its own is gathered", () => {
    const options = presetOptions(
      tuningOptions({ tuningScope: new Set(["range_estimator"]), estimatorScope: new Set(["type"]) }),
    );
    assert.deepEqual([options.tuningScope.size, options.estimatorScope.size], [0, 0]);
  });
});
