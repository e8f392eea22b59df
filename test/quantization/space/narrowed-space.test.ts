import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { algorithmSpace, type TunedAlgorithm } from "../../../shared/quantization/space/algorithm-space.js";
import { narrowSpace } from "../../../shared/quantization/space/narrowed-space.js";
import type { TuningSpace } from "../../../shared/quantization/space/space.js";
import type {
  EstimatorScope,
  TuningOptions,
  TuningScope,
} from "../../../shared/quantization/space/tuning-options.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import { encodeConfiguration, encodeSpace } from "../../../shared/search/space/encoding.js";
import type { Choice, Configuration, Parameter } from "../../../shared/search/space/space.js";
import { tuningOptions } from "../small-net.js";

/**
 * One group of the whole space: a switch, a mode, and in each mode a preset; quantile presets have a
 * probability.
 */
function group(id: string): Parameter[] {
  const on = { parameter: `${id}/quantize`, in: [true] };
  const tensor = `${id}:0/activations`;
  const ofMode = (mode: string): Parameter[] => [
    parameter(`${tensor}/${mode}/preset`, ["default", "quantile"], {
      parameter: `${tensor}/mode`,
      in: [mode],
    }),
    {
      ...parameter(`${tensor}/${mode}/max.outlier_prob`, [1e-5, 1e-4, 1e-3], {
        parameter: `${tensor}/${mode}/preset`,
        in: ["quantile"],
      }),
      kind: "ordinal",
    },
  ];
  return [
    parameter(`${id}/quantize`, [true, false]),
    parameter(`${tensor}/mode`, ["symmetric", "asymmetric"], on),
    ...ofMode("symmetric"),
    ...ofMode("asymmetric"),
  ];
  function parameter(name: string, choices: readonly Choice[], when?: Parameter["when"]): Parameter {
    return { name, group: id, kind: "categorical", choices, ...(when === undefined ? {} : { when }) };
  }
}

const parameters = [...group("a"), ...group("b")];
const whole: TuningSpace = {
  parameters,
  base: Object.fromEntries(
    ["a", "b"].flatMap((id) => [
      [`${id}/quantize`, true],
      [`${id}:0/activations/mode`, "symmetric"],
      [`${id}:0/activations/symmetric/preset`, "default"],
    ]),
  ),
  defaults: Object.fromEntries(parameters.map(({ name, choices }) => [name, choices[0]!])),
};
const center = {
  "a/quantize": true,
  "a:0/activations/mode": "asymmetric",
  "a:0/activations/asymmetric/preset": "quantile",
  "a:0/activations/asymmetric/max.outlier_prob": 1e-4,
  "b/quantize": false,
};

function narrow(tuning: TuningScope[], estimators: EstimatorScope[] = [], probabilities: number[] = []) {
  const options: TuningOptions = {
    preset: "performance",
    tuningScope: new Set(tuning),
    estimatorScope: new Set(estimators),
    outlierProbChoices: probabilities,
    weights: {},
    activations: {},
  };
  const space = narrowSpace(whole, center, options);
  return { space, choices: new Map(space.parameters.map(({ name, choices }) => [name, choices])) };
}

describe("what is tuned of algorithms", () => {
  const smoothing: TunedAlgorithm = {
    name: "SmoothQuant",
    optional: true,
    setting: { key: "alpha", base: 0.5, choices: [0.3, 0.5, 0.7] },
  };
  const around = (center: Configuration, tuned: readonly TunedAlgorithm[]) => {
    const { parameters, base } = narrowSpace(algorithmSpace([smoothing]), center, tuningOptions(), tuned);
    return { base, choices: Object.fromEntries(parameters.map(({ name, choices }) => [name, choices])) };
  };
  const on = { "SmoothQuant/apply": true, "SmoothQuant/alpha": 0.3 };

  test("keeps the configuration's choices where nothing is tuned", () => {
    const fixed = { "SmoothQuant/apply": [true], "SmoothQuant/alpha": [0.3] };
    assert.deepEqual(around(on, []), { base: on, choices: fixed });
    assert.deepEqual(around({ "SmoothQuant/apply": false }, []).choices, { "SmoothQuant/apply": [false] });
  });

  test("may vary besides them, in the order of the whole space", () => {
    const alphas = {
      ...smoothing,
      optional: false,
      setting: { key: "alpha", base: 0.7, choices: [0.7] },
    } as const;
    assert.deepEqual(around(on, [smoothing]).choices, {
      "SmoothQuant/apply": [true, false],
      "SmoothQuant/alpha": [0.3, 0.5, 0.7],
    });
    // A parameter with one choice left is dropped.
    assert.deepEqual(around(on, [alphas]).choices["SmoothQuant/alpha"], [0.3]);
  });
});

describe("the space around a configuration", () => {
  test("varies parameters in the scope, and fixes the others to the configuration's values", () => {
    const { choices } = narrow(["layer"]);
    assert.deepEqual(choices.get("a/quantize"), [true, false]);
    assert.deepEqual(choices.get("a:0/activations/mode"), ["asymmetric"]);
    assert.deepEqual(choices.get("a:0/activations/asymmetric/preset"), ["quantile"]);
    assert.deepEqual(choices.get("a:0/activations/asymmetric/max.outlier_prob"), [1e-4]);
  });

  test("leaves out parameters that can never be active in it", () => {
    const { choices } = narrow(["layer"]);
    assert.equal(choices.has("a:0/activations/symmetric/preset"), false);
    assert.equal(choices.has("b:0/activations/symmetric/max.outlier_prob"), false);
  });

  test("may quantize again what was left in float, in any scope, and leaves no other group in float", () => {
    const { choices } = narrow(["mode"]);
    assert.deepEqual(choices.get("b/quantize"), [true, false]);
    assert.deepEqual(choices.get("a/quantize"), [true]);
    assert.deepEqual(choices.get("b:0/activations/mode"), ["symmetric", "asymmetric"]);
  });

  test("contains this scope's probabilities besides the configuration's own", () => {
    const { choices } = narrow(["range_estimator"], ["outlier_prob"], [1e-3]);
    assert.deepEqual(choices.get("a:0/activations/asymmetric/max.outlier_prob"), [1e-4, 1e-3]);
    assert.deepEqual(choices.get("a:0/activations/asymmetric/preset"), ["quantile"]);
  });

  test("contains the configuration, which is its base, and the sampler exhausts it", () => {
    const { space } = narrow(["layer", "mode"]);
    assert.equal(space.base, center);
    encodeConfiguration(encodeSpace(space.parameters), center);
    const sampler = createTpeSampler(space.parameters, { seed: 1, base: center, maxTrials: 100 });
    sampler.tell({
      number: 1,
      configuration: center,
      state: "complete",
      values: [1],
      violation: 0,
      samples: 1,
    });
    const asked = new Set<string>();
    for (let trial = 2; ; trial++) {
      const configuration = sampler.ask(trial);
      if (configuration === undefined) break;
      asked.add(JSON.stringify(configuration));
      const values = [Object.values(configuration).filter((value) => value === false).length];
      sampler.tell({ number: trial, configuration, state: "complete", values, violation: 0, samples: 1 });
    }
    // Each group is off, or on in one of two modes: nine configurations, of which the base is one.
    assert.equal(asked.size, 8);
  });
});
