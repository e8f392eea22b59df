import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfiguration } from "../../shared/configuration/parse.js";
import { type Command, requireSupported } from "../../shared/configuration/supported.js";
import { spoil } from "../fixtures/broken/spoiled-configuration.js";

function check(at: string, value: unknown, command: Command): void {
  const { configuration } = parseConfiguration(spoil(at, value), { file: "run.json" });
  requireSupported(configuration, command);
}

const ALGORITHM = "compression.algorithms[0]";
const PARAMS = `${ALGORITHM}.params`;

describe("Supported configurations are accepted", () => {
  for (const command of ["tune", "quantize", "evaluate"] as const) {
    test(command, () => check("model.model_name", "a", command));
  }
  test("quantize takes MinMaxQuantization and no evaluation", () => {
    check(ALGORITHM, { name: "MinMaxQuantization", params: { preset: "mixed" } }, "quantize");
    check("engine.evaluation", undefined, "quantize");
  });
  test("quantize accepts DefaultQuantization, and tune accepts the other algorithms", () => {
    check(ALGORITHM, { name: "DefaultQuantization" }, "quantize");
    check(ALGORITHM, { name: "DefaultQuantization", params: { use_fast_bias: false } }, "quantize");
    check(
      "compression.algorithms",
      [
        { name: "SmoothQuant", params: { alpha: 0.7 } },
        { name: "ActivationChannelAlignment", params: { stat_subset_size: 300 } },
        { name: "TunableQuantization", params: { stat_subset_size: 100 } },
        { name: "AdaptiveRounding", params: { largest_bits: 8 } },
        { name: "WeightBiasCorrection" },
        { name: "BiasCorrection", params: { stat_subset_size: 100, threshold: 3 } },
      ],
      "tune",
    );
  });
  test("apply_for_all_nodes of either bias correction", () => {
    for (const name of ["FastBiasCorrection", "BiasCorrection"]) {
      const correction = { name, params: { apply_for_all_nodes: true } };
      check("compression.algorithms", [{ name: "TunableQuantization" }, correction], "tune");
    }
    for (const use_fast_bias of [true, false]) {
      const params = { use_fast_bias, apply_for_all_nodes: true };
      check(ALGORITHM, { name: "DefaultQuantization", params }, "quantize");
    }
  });
  for (const saturation_fix of ["auto", "first_layer", "all", "no"]) {
    test(`a saturation fix, ${saturation_fix}`, () => check(PARAMS, { saturation_fix }, "tune"));
  }
  test("evaluate takes no calibration, and whatever the compression is", () => {
    check("engine.calibration", undefined, "evaluate");
    check(ALGORITHM, { name: "DefaultQuantization" }, "evaluate");
  });
});

const REFUSED: readonly [title: string, command: Command, at: string, value: unknown, message: string][] = [
  [
    "no calibration",
    "tune",
    "engine.calibration",
    undefined,
    "engine.calibration is missing, and tune needs it; add it to the configuration.",
  ],
  [
    "no evaluation",
    "evaluate",
    "engine.evaluation",
    undefined,
    "engine.evaluation is missing, and evaluate needs it; add it to the configuration.",
  ],
  [
    "no metric",
    "tune",
    "engine.metric",
    undefined,
    "engine.metric is missing, and tune needs it; add it to the configuration.",
  ],
  [
    "tune with MinMaxQuantization",
    "tune",
    ALGORITHM,
    { name: "MinMaxQuantization" },
    `${ALGORITHM}.name is "MinMaxQuantization", which leaves nothing to tune; run quantize instead, or use TunableQuantization.`,
  ],
  [
    "tune with DefaultQuantization",
    "tune",
    ALGORITHM,
    { name: "DefaultQuantization" },
    `${ALGORITHM}.name is "DefaultQuantization", which leaves nothing to tune; run quantize instead, or use TunableQuantization.`,
  ],
  [
    "nothing in scope",
    "tune",
    PARAMS,
    { tuning_scope: [] },
    `${PARAMS}.tuning_scope is empty, which leaves nothing to tune; run quantize instead, or list "bits", "layer", "mode", "granularity", "codes" or "range_estimator".`,
  ],
];

describe("Configurations that a command cannot use are refused", () => {
  for (const [title, command, at, value, message] of REFUSED) {
    test(title, () =>
      assert.throws(() => check(at, value, command), { name: "ConfigurationError", message }),
    );
  }
});

test("a refusal carries the JSON path", () => {
  const path = `${PARAMS}.tuning_scope`;
  assert.throws(() => check(PARAMS, { tuning_scope: [] }, "tune"), { name: "ConfigurationError", path });
});
