import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  chosenCompanion,
  companionSpace,
  type TunedCompanion,
} from "../../../shared/quantization/space/algorithm-space.js";
import {
  decodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
} from "../../../shared/search/space/encoding.js";

const equalization: TunedCompanion = { name: "CrossLayerEqualization", optional: true };
const smoothing: TunedCompanion = {
  name: "SmoothQuant",
  optional: true,
  setting: { key: "alpha", base: 0.5, choices: [0.3, 0.5, 0.7] },
};
const correction: TunedCompanion = {
  name: "FastBiasCorrection",
  optional: false,
  setting: { key: "threshold", base: 2, choices: [0.5, 2] },
};

describe("The space of companions", () => {
  const { parameters, base, defaults } = companionSpace([equalization, smoothing, correction]);

  test("has a switch for what may be left out, and a setting that exists with it", () => {
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

  test("starts from everything that is listed, as it is listed", () => {
    assert.deepEqual(base, {
      "CrossLayerEqualization/apply": true,
      "SmoothQuant/apply": true,
      "SmoothQuant/alpha": 0.5,
      "FastBiasCorrection/threshold": 2,
    });
    assert.deepEqual(defaults, base);
  });

  test("is of groups named by the algorithms, each parameter a family of its own", () => {
    for (const { name, group, family } of parameters) {
      assert.equal(name.slice(0, name.indexOf("/")), group);
      assert.equal(family, name);
    }
  });

  test("is what choices are read by", () => {
    const space = encodeSpace(companionSpace([smoothing]).parameters);
    const chosen = [...enumerateConfigurations(space)].map((codes) =>
      chosenCompanion(smoothing, decodeConfiguration(space, codes)),
    );
    assert.deepEqual(chosen, [
      { applied: true, setting: 0.3 },
      { applied: true, setting: 0.5 },
      { applied: true, setting: 0.7 },
      { applied: false, setting: 0.5 },
    ]);
  });
});

test("A configuration that says nothing of a companion has it as in the base", () => {
  assert.deepEqual(chosenCompanion(smoothing, { "conv/quantize": false }), { applied: true, setting: 0.5 });
  assert.deepEqual(chosenCompanion(equalization, {}), { applied: true, setting: undefined });
});
