import assert from "node:assert/strict";
import { test } from "node:test";
import { meanIntersectionOverUnion } from "../../shared/metrics/segmentation.js";
import { floats, integerLabels, port } from "./fixtures.js";

// Two classes on 1x3 pixels: predicted 0 1 1, and 1 1 0.
const OUT = floats([2, 2, 1, 3], 2, 0, 0, 1, 1, 1, 0, 0, 2, 1, 1, 1);
const LABELS = integerLabels([0, 0, 1, 1, 255, 0], [2, 1, 3]);

test("intersections and unions are summed over samples, without ignored pixels", () => {
  const metric = meanIntersectionOverUnion(port(["N", 2, 1, 3]), undefined, 255);
  metric.checkLabels(LABELS, "y.npy");
  const rows = metric.score({ out: OUT }, { kind: "labels", labels: LABELS });
  assert.deepEqual(rows, Float32Array.of(1, 2, 1, 2, 1, 1, 1, 1));
  assert.ok(Math.abs(metric.aggregate(rows) - (2 / 3 + 2 / 3) / 2) < 1e-12);
});

test("an output of class indices is accepted, and classes that never occur are not counted", () => {
  const metric = meanIntersectionOverUnion(port(["N", 1, 3], "int64"), 5, 255);
  const out = { type: "int64", dims: [2, 1, 3], data: BigInt64Array.of(0n, 1n, 1n, 1n, 1n, 0n) } as const;
  const rows = metric.score({ out }, { kind: "labels", labels: LABELS });
  assert.equal(rows.length, 20);
  assert.ok(Math.abs(metric.aggregate(rows) - 2 / 3) < 1e-12);
});

test("outputs and labels that do not fit are refused", () => {
  assert.throws(() => meanIntersectionOverUnion(port(["N", "c", 4, 4]), undefined, 255), {
    message: `engine.metric.classes is missing, and the model's output "out" does not state it; give the number of classes.`,
  });
  assert.throws(() => meanIntersectionOverUnion(port(["N", 10]), undefined, 255), {
    message: `the model's output "out" has shape [N, 10], but miou takes [samples, classes, height, width]; choose another with engine.metric.output.`,
  });
  const metric = meanIntersectionOverUnion(port(["N", 2, 1, 3]), undefined, 255);
  assert.throws(() => metric.checkLabels(integerLabels([0, 1, 2], [1, 1, 3]), "y.npy"), {
    message:
      "y.npy holds class 2, but the model has 2 classes; correct the labels, or give that class as engine.metric.ignore_label.",
  });
  const small = integerLabels([0, 1], [2, 1, 1]);
  assert.throws(() => metric.score({ out: OUT }, { kind: "labels", labels: small }), {
    message: `the model's output "out" has 3 pixels a sample, but the labels have 1; scale the labels to the output's size.`,
  });
});
