import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import type { Mode } from "../../../shared/quantization/device/hardware.js";
import { deriveSpace, parameterNames } from "../../../shared/quantization/space/space.js";
import type { EstimatorScope, TuningOptions } from "../../../shared/quantization/space/tuning-options.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import { anyOptions, countConfigurations, isActive } from "../configurations.js";
import { prepareSmallNet, quantizationSettings, tuningOptions } from "../small-net.js";

fc.configureGlobal({ seed: 9, numRuns: 300 });

const { layout, hardware } = makeSubject(await prepareSmallNet(), quantizationSettings());
const ACTIVATION = "stem_relu";
const WEIGHT = "stem.weight";
const OUTLIER_PROBS = [1e-3, 1e-4, 1e-5];

function count(
  tensor: "activations" | "weights",
  mode: Mode,
  scopes: readonly EstimatorScope[],
  others: Partial<TuningOptions> = {},
): number {
  const pinned = { mode };
  const options: TuningOptions = tuningOptions({
    tuningScope: new Set(["range_estimator"]),
    estimatorScope: new Set(scopes),
    outlierProbChoices: OUTLIER_PROBS,
    activations: pinned,
    weights: pinned,
    ...others,
  });
  const { parameters } = deriveSpace(layout, hardware, options);
  return countConfigurations(parameters, `${tensor === "weights" ? WEIGHT : ACTIVATION}/${tensor}/`);
}

describe("The number of configurations per tensor equals POT's", () => {
  for (const [scopes, ...expected] of [
    [["preset"], 2, 2, 2, 2],
    [["preset", "outlier_prob"], 4, 10, 4, 10],
    [["type"], 8, 8, 4, 8],
    [["type", "outlier_prob"], 32, 32, 8, 32],
    [["aggregator"], 64, 64, 1, 1],
    [["preset", "aggregator", "type", "outlier_prob"], 2048, 2048, 8, 32],
  ] as const) {
    test(`${scopes.join(" + ")}: ${expected.join(", ")}`, () => {
      assert.deepEqual(
        [
          count("activations", "symmetric", scopes),
          count("activations", "asymmetric", scopes),
          count("weights", "symmetric", scopes),
          count("weights", "asymmetric", scopes),
        ],
        expected,
      );
    });
  }

  test("with power_of_2 pinned as a ninth aggregator: 81 instead of 64, and 2592 instead of 2048", () => {
    const side = { aggregator: "power_of_2" } as const;
    const nine = { rangeEstimator: { min: side, max: side } };
    const all = ["preset", "aggregator", "type", "outlier_prob"] as const;
    for (const mode of ["symmetric", "asymmetric"] as const) {
      assert.equal(count("activations", mode, ["aggregator"], nine), 81);
      assert.equal(count("activations", mode, all, nine), 2592);
    }
  });

  test("a convolution with preset and outlier_prob: 16, input times weights; scope layer: 2 per group", () => {
    const scopes = ["preset", "outlier_prob"] as const;
    assert.equal(count("activations", "symmetric", scopes) * count("weights", "symmetric", scopes), 16);
    const { parameters } = deriveSpace(layout, hardware, tuningOptions({ tuningScope: new Set(["layer"]) }));
    assert.deepEqual(
      parameters.map(({ group, choices }) => [group, choices]),
      [...layout.groups.keys()].map((group) => [group, [true, false]]),
    );
  });
});

describe("The space of any options", () => {
  test("has a base of exactly the active parameters, each with a valid choice", () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const { parameters, base } = deriveSpace(layout, hardware, options);
        const active = parameters.filter((parameter) => isActive(parameter, base));
        assert.deepEqual(
          Object.keys(base),
          active.map(({ name }) => name),
        );
        for (const { name, kind, choices } of active) {
          if (kind === "categorical") assert.equal(base[name], choices[0], "the base is the first choice");
          else assert.ok(choices.includes(base[name]!));
        }
      }),
    );
  });

  test("is valid for the search: distinct names and choices, conditions on earlier parameters", () => {
    fc.assert(
      fc.property(anyOptions, (options) => {
        const { parameters } = deriveSpace(layout, hardware, options);
        const seen = new Map<string, readonly unknown[]>();
        for (const { name, choices, when, kind } of parameters) {
          assert.ok(!seen.has(name), name);
          assert.equal(new Set(choices).size, choices.length);
          if (when !== undefined) {
            for (const value of when.in) assert.ok(seen.get(when.parameter)?.includes(value), name);
          }
          if (kind === "ordinal")
            assert.deepEqual(
              choices,
              choices.toSorted((a, b) => Number(a) - Number(b)),
            );
          seen.set(name, choices);
        }
        encodeSpace(parameters);
      }),
    );
  });

  test("is empty where nothing is tuned", () => {
    assert.deepEqual(deriveSpace(layout, hardware, tuningOptions()).parameters, []);
  });
});

describe("The base has the values that the configuration pins", () => {
  const names = parameterNames("activations", ACTIVATION);
  const tuned = (scopes: readonly EstimatorScope[], rangeEstimator: TuningOptions["rangeEstimator"]) =>
    deriveSpace(
      layout,
      hardware,
      tuningOptions({
        tuningScope: new Set(["range_estimator"]),
        estimatorScope: new Set(scopes),
        outlierProbChoices: OUTLIER_PROBS,
        ...(rangeEstimator === undefined ? {} : { rangeEstimator }),
      }),
    );

  test("a preset", () => {
    const { base } = tuned(["preset", "outlier_prob"], { preset: "quantile" });
    assert.equal(base[names.preset("symmetric")], "quantile");
    assert.equal(base[names.outlierProb("symmetric", "max")], 1e-4);
  });

  test("a type and an aggregator", () => {
    const { base } = tuned(["type", "aggregator"], { max: { type: "max", aggregator: "median" } });
    assert.equal(base[names.type("symmetric", "max")], "max");
    assert.equal(base[names.aggregator("symmetric", "max")], "median");
  });

  test("a quantile whose probability alone is tuned", () => {
    const { parameters, base } = tuned(["outlier_prob"], { max: { type: "quantile", outlierProb: 1e-3 } });
    assert.equal(base[names.outlierProb("symmetric", "max")], 1e-3);
    assert.equal(
      parameters.find(({ name }) => name === names.outlierProb("symmetric", "max"))?.when,
      undefined,
    );
  });
});
