import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { MetricConfiguration } from "../../shared/configuration/engine-schema.js";
import { createMetric } from "../../shared/metrics/create-metric.js";
import { temporaryFolder } from "../data/temporary-folder.js";
import { classes, floatModel, floats, port } from "./fixtures.js";

const folder = await temporaryFolder();
await folder.write("characters.txt", "a\nb\n");

const OUTPUTS = [port(["N", 3]), { name: "text", type: "float32", shape: ["N", "T", 3] }];

function create(configuration: MetricConfiguration, labelled = true) {
  return createMetric(configuration, { directory: folder.path, outputs: OUTPUTS, labelled });
}

describe("The configured metric", () => {
  const CHARACTERS = { decoder: "ctc", characters: "characters.txt", output: "text" } as const;
  const KNOWN: readonly [
    MetricConfiguration,
    "maximize" | "minimize",
    "labels" | "float outputs",
    boolean,
  ][] = [
    [{ name: "accuracy", top_k: 1 }, "maximize", "labels", true],
    [{ name: "f1" }, "maximize", "labels", false],
    [{ name: "miou", output: "text", classes: 3, ignore_label: 255 }, "maximize", "labels", false],
    [{ name: "mse" }, "minimize", "labels", true],
    [{ name: "sqnr" }, "maximize", "labels", false],
    [{ name: "cosine" }, "maximize", "labels", true],
    [{ name: "agreement" }, "maximize", "float outputs", true],
    [{ name: "text_accuracy", ...CHARACTERS }, "maximize", "labels", true],
    [{ name: "character_accuracy", ...CHARACTERS }, "maximize", "labels", true],
  ];
  for (const [configuration, direction, needs, perSampleMean] of KNOWN) {
    test(`${configuration.name}`, async () => {
      const metric = await create(configuration);
      assert.deepEqual(
        [metric.name, metric.direction, metric.needs, metric.perSampleMean],
        [configuration.name, direction, needs, perSampleMean],
      );
    });
  }

  test("compares with the float model where there are no labels", async () => {
    for (const name of ["mse", "sqnr", "cosine"] as const) {
      assert.equal((await create({ name }, false)).needs, "float outputs");
    }
  });

  test("is refused without the labels that it needs", async () => {
    await assert.rejects(create({ name: "accuracy", top_k: 1 }, false), {
      name: "ConfigurationError",
      path: "engine.evaluation.labels",
      message:
        "engine.evaluation.labels is missing, but metric accuracy needs labels; name their file, or use metric agreement.",
    });
  });

  test("of a model that has no outputs is refused", async () => {
    await assert.rejects(createMetric({ name: "mse" }, { directory: ".", outputs: [], labelled: false }), {
      code: "DATA",
      message:
        "the model (model.model) has no outputs, so that nothing of it can be scored; export it with some.",
    });
  });

  test("is refused for an output that the model does not have", async () => {
    await assert.rejects(create({ name: "f1", output: "ou" }), {
      message: 'engine.metric.output is "ou", which is no output of the model; did you mean "out"?',
    });
    await assert.rejects(create({ name: "f1", output: "probabilities" }), {
      message:
        'engine.metric.output is "probabilities", which is no output of the model; its outputs are out, text.',
    });
  });
});

describe("A user's metric module", () => {
  const SCORES = floats([2, 3], 1, 2, 3, 4, 5, 6);

  test("scores with labels; its value is the mean", async () => {
    await folder.write(
      "closest.mjs",
      "export const score = ({ outputs, labels }) => Array.from(labels.data, (label, i) => outputs.out.data[3 * i + label]);",
    );
    const metric = await create({ module: "closest.mjs" });
    assert.deepEqual(
      [metric.name, metric.direction, metric.rowWidth, metric.perSampleMean],
      ["closest.mjs", "maximize", 1, true],
    );
    const rows = metric.score({ out: SCORES }, classes(0, 2));
    assert.deepEqual(rows, Float32Array.of(1, 6));
    assert.equal(metric.aggregate(rows), 3.5);
  });

  test("may aggregate wider rows, compare with the float model, and be a CommonJS module", async () => {
    await folder.write(
      "worst.cjs",
      `module.exports = {
         name: "worst", direction: "minimize", needs: "float outputs", rowWidth: 2,
         score: ({ outputs, floatOutputs }) => [0, 1].flatMap((i) => [i, outputs.out.data[i] - floatOutputs.out.data[i]]),
         aggregate: (rows) => Math.max(rows[1], rows[3]),
       };`,
    );
    const metric = await create({ module: "worst.cjs" }, false);
    assert.deepEqual(
      [metric.name, metric.direction, metric.needs, metric.perSampleMean],
      ["worst", "minimize", "float outputs", false],
    );
    const rows = metric.score({ out: SCORES }, floatModel(floats([2, 3], 0, 0, 0, 0, 0, 0)));
    assert.deepEqual(rows, Float32Array.of(0, 1, 1, 2));
    assert.equal(metric.aggregate(rows), 2);
    assert.deepEqual(metric.interval(rows), metric.interval(rows));
  });

  const BROKEN: readonly [title: string, source: string, message: RegExp][] = [
    [
      "throws when imported",
      "throw new Error('no')",
      /^engine\.metric\.module is "0\.mjs", which cannot be imported \(no\); give the path of a JavaScript module\.$/,
    ],
    [
      "has no score",
      "export const name = 'a'",
      /^engine\.metric\.module \(1\.mjs\) exports score wrongly \(must be a function\); see the documentation of metric modules\.$/,
    ],
    [
      "has rows without an aggregate",
      "export const score = () => []; export const rowWidth = 2",
      /^engine\.metric\.module \(2\.mjs\) has rows of 2 numbers, but exports no aggregate; export a function of all rows\.$/,
    ],
  ];
  for (const [index, [title, source, message]] of BROKEN.entries()) {
    test(`is refused when it ${title}`, async () => {
      await folder.write(`${index}.mjs`, source);
      await assert.rejects(create({ module: `${index}.mjs` }), {
        name: "ConfigurationError",
        path: "engine.metric.module",
        message,
      });
    });
  }

  const FAILING: readonly [title: string, body: string, message: string][] = [
    [
      "gives too few numbers",
      "[1]",
      "engine.metric.module (few.mjs) gave 1 numbers for 2 samples, but must give 1 finite ones a sample; correct the module.",
    ],
    [
      "gives no numbers",
      "[1, NaN]",
      "engine.metric.module (few.mjs) gave 2 numbers for 2 samples, but must give 1 finite ones a sample; correct the module.",
    ],
    [
      "throws",
      "(() => { throw new Error('odd') })()",
      "engine.metric.module (few.mjs) failed in score (odd); correct the module.",
    ],
  ];
  for (const [title, body, message] of FAILING) {
    test(`is refused when it ${title}`, async () => {
      const name = title.replaceAll(" ", "-");
      await folder.write(`${name}.mjs`, `export const score = () => ${body};`);
      const metric = await create({ module: `${name}.mjs` });
      assert.throws(() => metric.score({ out: SCORES }, classes(0, 0)), {
        name: "ConfigurationError",
        message: message.replace("few", name),
      });
    });
  }
});
