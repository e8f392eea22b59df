import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  algorithmChoice,
  algorithmSpace,
  type TunedAlgorithm,
} from "../../../shared/quantization/space/algorithm-space.js";
import {
  decodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
} from "../../../shared/search/space/encoding.js";

const equalization: TunedAlgorithm = { name: "CrossLayerEqualization", optional: true };
const smoothing: TunedAlgorithm = {
  name: "SmoothQuant",
  optional: true,
  setting: { key: "alpha", base: 0.5, choices: [0.3, 0.5, 0.7] },
};
const correction: TunedAlgorithm = {
  name: "FastBiasCorrection",
  optional: false,
  setting: { key: "threshold", base: 2, choices: [0.5, 2] },
};

describe("The space of algorithms", () => {
  const { parameters, base, defaults } = algorithmSpace([equalization, smoothing, correction]);

  test("has a switch for each optional algorithm, and a setting that exists while the switch is on", () => {
    assert.deepEqual(
      parameters.map(({ name, kind, choices, when }) => [name, kind, choices, when?.parameter]),
      [
        ["CrossLayerEqualization/apply", "categorical", [true, false], undefined],
        ["SmoothQuant/apply", "categorical", [true, false], undefined],
        ["SmoothQuant/alpha", "ordinal", [0.3, 0.5, 0.7], "SmoothQuant/apply"],
        ["FastBiasCorrection/threshold", "ordinal", [0.5, 2], undefined],
      ],
    );
  });

  test("has a base with all algorithms on, with the configured settings", () => {
    assert.deepEqual(base, {
      "CrossLayerEqualization/apply": true,
      "SmoothQuant/apply": true,
      "SmoothQuant/alpha": 0.5,
      "FastBiasCorrection/threshold": 2,
    });
    assert.deepEqual(defaults, base);
  });

  test("has groups named after the algorithms, and a family per parameter", () => {
    for (const { name, group, family } of parameters) {
      assert.equal(name.slice(0, name.indexOf("/")), group);
      assert.equal(family, name);
    }
  });

  test("is read back from configurations", () => {
    const space = encodeSpace(algorithmSpace([smoothing]).parameters);
    const chosen = [...enumerateConfigurations(space)].map((codes) =>
      algorithmChoice(smoothing, decodeConfiguration(space, codes)),
    );
    assert.deepEqual(chosen, [
      { applied: true, setting: 0.3 },
      { applied: true, setting: 0.5 },
      { applied: true, setting: 0.7 },
      { applied: false, setting: 0.5 },
    ]);
  });
});

test("A configuration without choices for an algorithm has those of the base", () => {
  assert.deepEqual(algorithmChoice(smoothing, { "conv/quantize": false }), { applied: true, setting: 0.5 });
  assert.deepEqual(algorithmChoice(equalization, {}), { applied: true, setting: undefined });
});
