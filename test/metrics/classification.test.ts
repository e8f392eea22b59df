import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { accuracy, agreement, f1 } from "../../shared/metrics/classification.js";
import { classes, floatModel, floats, integerLabels, lines, port } from "./fixtures.js";

fc.configureGlobal({ seed: 36 });

const SCORES = floats([4, 3], 0.1, 0.7, 0.2, 0.5, 0.5, 0, -1, -2, -3, 0, 1, 2);

describe("accuracy", () => {
  test("is 1 when the label is the best class, the first among equals", () => {
    const rows = accuracy(port(["N", 3]), 1).score({ out: SCORES }, classes(1, 0, 1, 2));
    assert.deepEqual(rows, Float32Array.of(1, 1, 0, 1));
    assert.equal(accuracy(port(["N", 3]), 1).aggregate(rows), 0.75);
  });

  test("with top_k is 1 when the label is among the k best", () => {
    const rows = accuracy(port(["N", 3]), 2).score({ out: SCORES }, classes(2, 1, 1, 0));
    assert.deepEqual(rows, Float32Array.of(1, 1, 1, 0));
  });

  test("top_k agrees with sorting", () => {
    const row = fc.array(fc.constantFrom(-1, 0, 0.5, 1), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(row, fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 5 }), (scores, label, k) => {
        const order = [0, 1, 2, 3, 4].sort((a, b) => scores[b]! - scores[a]! || a - b);
        const [found] = accuracy(port(["N", 5]), k).score({ out: floats([1, 5], ...scores) }, classes(label));
        assert.equal(found, order.slice(0, k).includes(label) ? 1 : 0);
      }),
    );
  });

  test("NaN scores are wrong for every k", () => {
    const out = floats([2, 3], Number.NaN, 1, 0, 0, Number.NaN, Number.NaN);
    assert.deepEqual(accuracy(port(["N", 3]), 1).score({ out }, classes(1, 0)), Float32Array.of(0, 0));
    assert.deepEqual(accuracy(port(["N", 3]), 2).score({ out }, classes(2, 0)), Float32Array.of(0, 0));
  });

  test("outputs of class indices, half-precision scores and text labels are accepted", () => {
    const chosen = { type: "int64", dims: [2], data: BigInt64Array.of(3n, 1n) } as const;
    assert.deepEqual(
      accuracy(port(["N"], "int64"), 1).score({ out: chosen }, classes(3, 2)),
      Float32Array.of(1, 0),
    );
    const halves = { type: "float16", dims: [1, 2], data: Uint16Array.of(0xbc00, 0x0001) } as const;
    assert.deepEqual(
      accuracy(port(["N", 2], "float16"), 1).score({ out: halves }, lines("1")),
      Float32Array.of(1),
    );
  });

  test("the interval is Wilson's", () => {
    const rows = Float32Array.from({ length: 10 }, (_, sample) => (sample < 8 ? 1 : 0));
    const [low, high] = accuracy(port(["N", 3]), 1).interval(rows);
    assert.ok(Math.abs(low - 0.4901625) < 1e-6 && Math.abs(high - 0.9433178) < 1e-6, `${low} ${high}`);
  });

  test("the loss is relative, and absolute where the float model's value is 0", () => {
    const metric = accuracy(port(["N", 3]), 1);
    assert.equal(metric.loss(0.8, 0.6).toFixed(12), "0.250000000000");
    assert.equal(metric.loss(0, 0.5), -0.5);
  });

  test("outputs and labels that do not fit are refused", () => {
    assert.throws(() => accuracy(port(["N", 3, 32, 32]), 1), {
      name: "DataError",
      message: `the model's output "out" has shape [N, 3, 32, 32], but this metric takes [samples, classes]; choose another with engine.metric.output, or another metric.`,
    });
    assert.throws(() => accuracy(port(["N", 3]), 5), {
      name: "ConfigurationError",
      message: `engine.metric.top_k is 5, but the model's output "out" has 3 classes; give at most 3.`,
    });
    const { checkLabels } = accuracy(port(["N", 3]), 1);
    checkLabels(integerLabels([0, 2]), "y.npy");
    assert.throws(() => checkLabels(integerLabels([0, 3]), "y.npy"), {
      message:
        "y.npy holds class 3 for sample 1, but classes count from 0 to 2, as the model has 3 classes; correct the labels.",
    });
    assert.throws(() => checkLabels(integerLabels([1, 0, 0, 1], [2, 2]), "y.npy"), {
      message:
        "y.npy has shape [2, 2], but this metric takes one class a sample; save argmax over the classes.",
    });
    const fractions = { kind: "numbers", shape: [1], data: Float32Array.of(0.5), integers: false } as const;
    assert.throws(() => checkLabels(fractions, "y.npy"), {
      message:
        "y.npy holds floating-point numbers, but this metric takes classes; save the labels as integers.",
    });
    assert.throws(() => checkLabels({ kind: "lines", lines: ["1", "cat"] }, "y.txt"), {
      message:
        'y.txt holds "cat" for sample 1, but this metric takes the number of a class; correct the line.',
    });
  });
});

describe("agreement", () => {
  test("is the fraction of samples with the float model's best class; NaN never agrees", () => {
    const float = floats([3, 2], 1, 0, 0, 1, Number.NaN, 0);
    const out = floats([3, 2], 3, 2, 5, 4, Number.NaN, 0);
    assert.deepEqual(agreement(port(["N", 2])).score({ out }, floatModel(float)), Float32Array.of(1, 0, 0));
  });
});

describe("f1", () => {
  const metric = f1(port(["N", 3]));
  // Labels 0 0 1 1 2, predicted 0 1 1 1 0: F1 of the classes 0.5, 0.8 and 0.
  const out = floats([5, 3], 9, 0, 0, 0, 9, 0, 0, 9, 0, 0, 9, 0, 9, 0, 0);

  test("is the mean of the F1 per class", () => {
    const rows = metric.score({ out }, classes(0, 0, 1, 1, 2));
    assert.ok(Math.abs(metric.aggregate(rows) - (0.5 + 0.8 + 0) / 3) < 1e-12);
  });

  test("depends on the rows only, not on how they are split", () => {
    const whole = metric.score({ out }, classes(0, 0, 1, 1, 2));
    const first = metric.score({ out: floats([2, 3], 9, 0, 0, 0, 9, 0) }, classes(0, 0));
    const rest = metric.score({ out: floats([3, 3], 0, 9, 0, 0, 9, 0, 9, 0, 0) }, classes(1, 1, 2));
    assert.deepEqual(Float32Array.of(...first, ...rest), whole);
  });

  test("the interval is reproducible and contains the value", () => {
    const rows = metric.score({ out }, classes(0, 0, 1, 1, 2));
    const [low, high] = metric.interval(rows);
    assert.deepEqual(metric.interval(rows), [low, high]);
    assert.ok(low <= metric.aggregate(rows) && metric.aggregate(rows) <= high);
  });
});
