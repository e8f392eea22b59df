import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withScopesOf } from "../../shared/configuration/merged-scopes.js";
import { parseConfiguration } from "../../shared/configuration/parse.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { tunedAlgorithms } from "../../shared/configuration/tuned-algorithms.js";
import { spoil } from "../fixtures/broken/spoiled-configuration.js";

const TUNABLE = { name: "TunableQuantization" };

function parse(...algorithms: readonly unknown[]) {
  return parseConfiguration(spoil("compression.algorithms", algorithms), { file: "run.json" }).configuration;
}

function tunedOf(configuration: ReturnType<typeof parse>) {
  return tunedAlgorithms(configuration.compression.algorithms);
}

describe("What the search decides of algorithms", () => {
  test("is nothing without tune or choices", () => {
    const listed = ["CrossLayerEqualization", "SmoothQuant"].map((name) => ({ name }));
    assert.deepEqual(tunedOf(parse(...listed, TUNABLE, { name: "FastBiasCorrection" })), []);
    assert.deepEqual(tunedOf(parse({ name: "SmoothQuant", params: { tune: false } }, TUNABLE)), []);
  });

  test("is whether they are applied, and their setting, with the base's value among the choices", () => {
    const configuration = parse(
      { name: "CrossLayerEqualization", params: { tune: true } },
      { name: "SmoothQuant", params: { alpha: 0.6, alpha_choices: [0.7, 0.3] } },
      TUNABLE,
      { name: "AdaptiveRounding", params: { tune: true } },
      { name: "BiasCorrection", params: { tune: true, threshold_choices: [3] } },
    );
    assert.deepEqual(tunedOf(configuration), [
      { name: "CrossLayerEqualization", optional: true },
      {
        name: "SmoothQuant",
        optional: false,
        setting: { key: "alpha", base: 0.6, choices: [0.3, 0.6, 0.7] },
      },
      { name: "AdaptiveRounding", optional: true },
      {
        name: "BiasCorrection",
        optional: true,
        setting: { key: "threshold", base: 1000, choices: [3, 1000] },
      },
    ]);
  });

  test("is enough to tune alone", () => {
    const nothing = { ...TUNABLE, params: { tuning_scope: [] } };
    requireSupported(parse({ name: "CrossLayerEqualization", params: { tune: true } }, nothing), "tune");
    assert.throws(
      () => requireSupported(parse({ name: "CrossLayerEqualization" }, nothing), "tune"),
      /tuning_scope is empty, which leaves nothing to tune/,
    );
  });
});

describe("A configuration is refused", () => {
  const refused: readonly [title: string, algorithms: readonly unknown[], message: RegExp][] = [
    [
      "with more forms of the float model than statistics are gathered for",
      [
        { name: "CrossLayerEqualization", params: { tune: true } },
        { name: "SmoothQuant", params: { tune: true, alpha_choices: [0.1, 0.2, 0.3, 0.4] } },
        TUNABLE,
      ],
      /^compression\.algorithms in run\.json lets the search choose among 12 forms of the float model \(CrossLayerEqualization 2, SmoothQuant 6\), but statistics are gathered for each of them and at most 8 are allowed; give fewer choices, or leave out a tune\.$/,
    ],
    [
      "with an alpha that is none",
      [{ name: "SmoothQuant", params: { alpha_choices: [0.3, 1] } }, TUNABLE],
      /params\.alpha_choices\[1\] in run\.json is 1, but must be a number above 0 and below 1\.$/,
    ],
    [
      "with an alpha twice",
      [{ name: "SmoothQuant", params: { alpha_choices: [0.3, 0.3] } }, TUNABLE],
      /params\.alpha_choices in run\.json is \[0\.3,0\.3\], but must be a list of 1 to 16 different values\.$/,
    ],
    [
      "with several alphas at once",
      [{ name: "SmoothQuant", params: { alpha: [0.3, 0.5] } }, TUNABLE],
      /params\.alpha in run\.json is \[0\.3,0\.5\], but must be a number above 0 and below 1; list values to choose from in alpha_choices\.$/,
    ],
    [
      "with tune beside the name",
      [{ name: "CrossLayerEqualization", tune: true }, TUNABLE],
      /compression\.algorithms\[0\]\.tune in run\.json belongs to params; move it there\.$/,
    ],
    [
      "with another word than true or false",
      [{ name: "CrossLayerEqualization", params: { tune: "yes" } }, TUNABLE],
      /params\.tune in run\.json is "yes", but must be true or false\.$/,
    ],
  ];
  for (const [title, algorithms, message] of refused) {
    test(title, () => assert.throws(() => parse(...algorithms), { name: "ConfigurationError", message }));
  }
});

describe("Scopes merged with those of an earlier configuration", () => {
  const smoothing = (params: unknown) => parse({ name: "SmoothQuant", params }, TUNABLE);

  test("every earlier choice has a name here, and algorithms that are not listed are not added", () => {
    const merged = withScopesOf(
      smoothing({ alpha_choices: [0.7] }),
      parse({ name: "SmoothQuant", params: { tune: true, alpha: 0.2 } }, TUNABLE, {
        name: "AdaptiveRounding",
        params: { tune: true },
      }),
    );
    assert.deepEqual(tunedOf(merged), [
      { name: "SmoothQuant", optional: true, setting: { key: "alpha", base: 0.5, choices: [0.2, 0.5, 0.7] } },
    ]);
  });

  test("what neither tunes stays fixed", () => {
    const fixed = smoothing({ alpha: 0.7 });
    assert.deepEqual(withScopesOf(fixed, smoothing({ alpha: 0.2 })), fixed);
  });
});
