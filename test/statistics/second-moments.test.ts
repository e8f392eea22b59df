import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  collectSecondMoments,
  type MomentSource,
  momentBlocks,
  secondMoments,
} from "../../shared/statistics/second-moments.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { RandomValues } from "../fixtures/models/random-values.js";

const SAMPLES = 3;

/** The input vectors of a convolution as [groups][positions][terms], from its definition. */
function readByDefinition(
  x: Float32Array,
  [channels = 1, height = 1, width = 1]: readonly number[],
  { kernel, stride, pad, groups }: { kernel: number; stride: number; pad: number; groups: number },
): number[][][] {
  const own = channels / groups;
  const positions = (size: number) => Math.floor((size + 2 * pad - kernel) / stride) + 1;
  return Array.from({ length: groups }, (_, group) => {
    const read: number[][] = [];
    for (let top = 0; top < positions(height); top++) {
      for (let left = 0; left < positions(width); left++) {
        const terms: number[] = [];
        for (let channel = group * own; channel < (group + 1) * own; channel++) {
          for (let i = 0; i < kernel; i++) {
            for (let j = 0; j < kernel; j++) {
              const [row, column] = [top * stride + i - pad, left * stride + j - pad];
              const inside = row >= 0 && row < height && column >= 0 && column < width;
              terms.push(inside ? x[(channel * height + row) * width + column]! : 0);
            }
          }
        }
        read.push(terms);
      }
    }
    return read;
  });
}

describe("Second moments equal those of a convolution's input vectors, padding included", () => {
  for (const window of [
    { kernel: 3, stride: 1, pad: 1, groups: 1 },
    { kernel: 3, stride: 2, pad: 0, groups: 2 },
    { kernel: 2, stride: 1, pad: 1, groups: 4 },
  ]) {
    test(JSON.stringify(window), async () => {
      const shape = [4, 6, 5];
      const random = new RandomValues(3);
      const samples = Array.from({ length: SAMPLES }, () =>
        Float32Array.from({ length: 4 * 6 * 5 }, () => random.normal()),
      );
      const model = buildModel((graph) => {
        graph.output(graph.node("Relu", [graph.input("x", [1, ...shape])]));
      });
      const { kernel, stride, pad, groups } = window;
      const terms = (4 / groups) * kernel * kernel;
      const source: MomentSource = {
        key: "y",
        tensor: "x",
        axis: 1,
        groups,
        terms,
        window: {
          kernel: [kernel, kernel],
          strides: [stride, stride],
          dilations: [1, 1],
          pads: [pad, pad, pad, pad],
          autoPad: "NOTSET",
        },
      };
      const table = await collectSecondMoments(model, [source], {
        count: SAMPLES,
        batch: (i) => ({ x: { type: "float32", dims: [1, ...shape], data: samples[i]! } }),
      });
      const { means, matrices } = secondMoments(table, source);
      const read = samples.map((x) => readByDefinition(x, shape, window));
      for (let group = 0; group < groups; group++) {
        const vectors = read.flatMap((sample) => sample[group]!);
        const mean = (of: (terms: number[]) => number): number =>
          vectors.reduce((sum, vector) => sum + of(vector), 0) / vectors.length;
        for (let i = 0; i < terms; i++) {
          assert.ok(Math.abs(means[group * terms + i]! - mean((x) => x[i]!)) < 1e-5);
          for (let j = 0; j < terms; j++) {
            const found = matrices[0]![(group * terms + i) * terms + j]!;
            assert.ok(Math.abs(found - mean((x) => x[i]! * x[j]!)) < 1e-5, `group ${group}, ${i}, ${j}`);
          }
        }
      }
    });
  }
});

test("Terms beyond the block limit are split into blocks of about the same size", () => {
  assert.deepEqual(momentBlocks(10, 10), [{ start: 0, size: 10 }]);
  assert.deepEqual(momentBlocks(11, 5), [
    { start: 0, size: 3 },
    { start: 3, size: 4 },
    { start: 7, size: 4 },
  ]);
});
