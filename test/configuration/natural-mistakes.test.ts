import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configurationHash } from "../../shared/configuration/hash.js";
import { parseConfiguration } from "../../shared/configuration/parse.js";

const FILE = "run.json";

function parse(changes: Readonly<Record<string, unknown>>) {
  const document = {
    model: { model: "m.onnx" },
    engine: {
      calibration: { inputs: { x: "x.npy" } },
      evaluation: { inputs: { x: "x.npy" }, labels: "y.npy" },
    },
    ...changes,
  };
  return parseConfiguration(JSON.stringify(document), { file: FILE });
}

const quantization = (params: Readonly<Record<string, unknown>>) => ({
  compression: { algorithms: [{ name: "TunableQuantization", params }] },
});

const refuses = (changes: Readonly<Record<string, unknown>>, message: RegExp) =>
  assert.throws(() => parse(changes), { code: "CONFIGURATION", message });

describe("A key at another level", () => {
  const places: [Readonly<Record<string, unknown>>, string, string][] = [
    [{ max_trials: 10 }, "max_trials", "optimizer.params"],
    [{ optimizer: { max_trials: 10 } }, "optimizer.max_trials", "optimizer.params"],
    [
      { optimizer: { params: { duration_seconds: 1 } } },
      "optimizer.params.duration_seconds",
      "optimizer.params.benchmark",
    ],
    [{ engine: { graphOptimizationLevel: "all" } }, "engine.graphOptimizationLevel", "engine.session"],
    [
      { engine: { labels: "y.npy" } },
      "engine.labels",
      "engine.calibration or engine.evaluation or engine.validation",
    ],
    [
      { engine: { evaluation: { inputs: { x: "x.npy" }, scale: 2 } } },
      "engine.evaluation.scale",
      "engine.evaluation.preprocess or engine.evaluation.inputs.<name>",
    ],
    [{ target_device: "CPU" }, "target_device", "compression"],
  ];
  for (const [changes, path, belongs] of places) {
    test(`is refused with the place where it belongs: ${path}`, () =>
      refuses(
        changes,
        new RegExp(`^${path} in ${FILE} is not a key of this object, but of ${belongs}; move it there\\.$`),
      ));
  }

  test("is refused as a misspelling where no object has it, or another variant of this object has it", () => {
    refuses({ optimizer: { params: { max_trails: 1 } } }, /did you mean max_trials\?$/);
    refuses(
      { engine: { metric: { name: "f1", top_k: 2 } } },
      /is not a known key; known here: name, output\.$/,
    );
  });
});

describe("A metric by its usual name", () => {
  for (const [name, says] of [
    ["top1", /use that name/],
    ["Top5", /"top_k": 5/],
    ["mean_iou", /"miou"/],
    ["psnr", /"sqnr"/],
    ["map", /module of your own/],
  ] as const) {
    test(name, () => refuses({ engine: { metric: { name } } }, says));
  }
});

describe("A configuration in YAML", () => {
  for (const text of [
    "model:\n  model: m.onnx\n",
    "# a run\nmodel: { model: m.onnx }\n",
    "---\nmodel:\n",
    '"model":\n  model: m.onnx\n',
  ]) {
    test(`is refused with the advice to convert it: ${JSON.stringify(text.slice(0, 20))}`, () =>
      assert.throws(() => parseConfiguration(text, { file: "run.yml" }), {
        code: "CONFIGURATION",
        message: /^run\.yml is YAML, .*yaml\.safe_load/,
      }));
  }

  test("does not include JSON with comments or broken JSON", () => {
    for (const text of ['// model: a\n{ "model": 1 }', "{ model: 1 }", "[]", ""])
      assert.throws(
        () => parseConfiguration(text, { file: FILE }),
        ({ message }: Error) => !/YAML/.test(message),
      );
  });
});

describe("A key that is read only in another combination", () => {
  const plain = quantization({ tuning_scope: ["layer"] });
  const cases: [Readonly<Record<string, unknown>>, readonly string[]][] = [
    [
      quantization({
        tuning_scope: ["layer"],
        estimator_tuning_scope: ["preset", "outlier_prob"],
        outlier_prob_choices: [1e-3],
        estimator_preset_choices: ["mse"],
      }),
      ["estimator_tuning_scope", "outlier_prob_choices", "estimator_preset_choices"],
    ],
    [
      quantization({
        tuning_scope: ["range_estimator"],
        estimator_tuning_scope: ["type"],
        outlier_prob_choices: [1e-3],
        estimator_preset_choices: ["mse"],
      }),
      ["outlier_prob_choices", "estimator_preset_choices"],
    ],
    [{ ...plain, optimizer: { params: { benchmark: { niter: 10 } } } }, ["niter"]],
    [{ ...plain, optimizer: { params: { latency_weight: 2, objective: "pareto" } } }, ["latency_weight"]],
    [{ ...plain, optimizer: { params: { latency_weight: 2, objective: "loss" } } }, []],
    [{ compression: { ...plain.compression, dump_intermediate_model: true } }, ["dump_intermediate_model"]],
    [{ compression: { ...plain.compression, dump_intermediate_model: false } }, []],
    [
      quantization({ tuning_scope: ["layer"], dump_intermediate_model: true, inplace_statistics: false }),
      ["dump_intermediate_model", "inplace_statistics"],
    ],
    [quantization({ tuning_scope: ["layer"], inplace_statistics: true }), []],
    [
      {
        compression: {
          algorithms: [{ name: "DefaultQuantization", params: { use_layerwise_tuning: false } }],
        },
      },
      [],
    ],
    [plain, []],
  ];
  for (const [changes, keys] of cases) {
    test(`is noted, not refused: ${keys.join(", ") || "nothing"}`, () => {
      const { notes } = parse(changes);
      assert.deepEqual(
        notes.map(({ message }) => /\.([a-z_]+) in run\.json has no effect: /.exec(message)?.[1]),
        keys,
      );
    });
  }

  test("does not change the hash", () => {
    const noted = quantization({ tuning_scope: ["layer"], estimator_tuning_scope: ["type"] });
    const hash = (changes: Readonly<Record<string, unknown>>) =>
      configurationHash(parse(changes).configuration);
    assert.equal(hash(noted), hash(plain));
    const dumped = quantization({ tuning_scope: ["layer"], inplace_statistics: true });
    assert.equal(hash(dumped), hash(quantization({ tuning_scope: ["layer"] })));
    assert.equal(hash({ ...plain, optimizer: { params: { benchmark: { niter: 3 } } } }), hash(plain));
  });
});
