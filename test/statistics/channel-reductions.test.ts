import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConvolutionWindow } from "../../shared/onnx/graph/convolution-window.js";
import type { InputBatch } from "../../shared/runtime/input-batch.js";
import { collectStatistics } from "../../shared/statistics/collect.js";
import { quantileOfSorted } from "../../shared/statistics/quantile.js";
import { type ChannelStatistic, statisticName } from "../../shared/statistics/requirement.js";
import { StatisticsTable } from "../../shared/statistics/table.js";
import { buildModel } from "../fixtures/models/model-builder.js";
import { RandomValues } from "../fixtures/models/random-values.js";

const BATCHES = 3;

/** Random batches of a tensor, and their statistics. */
async function gather(shape: readonly number[], statistics: readonly ChannelStatistic[], opset: number) {
  const model = buildModel(
    (graph) => {
      graph.output(graph.node("Identity", [graph.input("x", shape)]));
    },
    { opset },
  );
  const random = new RandomValues(7);
  const size = shape.reduce((product, dim) => product * dim, 1);
  const data = Array.from({ length: BATCHES }, () =>
    Float32Array.from({ length: size }, () => random.normal()),
  );
  const batch = (i: number): InputBatch => ({ x: { type: "float32", data: data[i]!, dims: shape } });
  const table = await collectStatistics(model, new Map([["x", statistics]]), { count: BATCHES, batch });
  return { table, data };
}

/** The values at each index along an axis. */
function channelsOf(data: Float32Array, shape: readonly number[], axis: number): number[][] {
  const inner = shape.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const channels = Array.from({ length: shape[axis]! }, (): number[] => []);
  data.forEach((value, i) => {
    channels[Math.floor(i / inner) % shape[axis]!]!.push(value);
  });
  return channels;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function assertNear(found: Float32Array, expected: readonly number[]): void {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(found[i]! - value) < 1e-5, `value ${i} is ${found[i]}, not ${value}`);
  });
}

describe("Statistics per channel equal those computed from the fetched tensor", () => {
  const cases: readonly [shape: readonly number[], axis: number, opset: number][] = [
    [[1, 3, 5, 4], 1, 13],
    [[2, 3, 5, 4], 1, 18],
    [[1, 7, 6], 2, 13],
    [[4, 9], 1, 21],
    [[1, 1, 8], 1, 17],
  ];
  for (const [shape, axis, opset] of cases) {
    test(`axis ${axis} of [${shape.join(", ")}], operator set ${opset}`, async () => {
      const outlierProb = 0.03;
      const statistics: ChannelStatistic[] = [
        { type: "channel_mean", axis },
        { type: "channel_variance", axis },
        { type: "channel_quantile", axis, side: "min", outlierProb },
        { type: "channel_quantile", axis, side: "max", outlierProb },
        { type: "channel_min", axis },
        { type: "channel_max", axis },
        { type: "channel_abs_quantile", axis, outlierProb },
      ];
      const { table, data } = await gather(shape, statistics, opset);
      const channels = data.flatMap((values) => channelsOf(values, shape, axis));
      const [means, variances, low, high, least, most, furthest] = statistics.map((s) =>
        table.column("x", statisticName(s)),
      );
      assertNear(means!, channels.map(mean));
      assertNear(
        variances!,
        channels.map((values) => mean(values.map((value) => (value - mean(values)) ** 2))),
      );
      const sorted = channels.map((values) => values.toSorted((a, b) => a - b));
      assertNear(
        low!,
        sorted.map((values) => quantileOfSorted(values, outlierProb)),
      );
      assertNear(
        high!,
        sorted.map((values) => quantileOfSorted(values, 1 - outlierProb)),
      );
      assertNear(
        least!,
        sorted.map((values) => values[0]!),
      );
      assertNear(
        most!,
        sorted.map((values) => values.at(-1)!),
      );
      const magnitudes = channels.map((values) => values.map(Math.abs).sort((a, b) => a - b));
      assertNear(
        furthest!,
        magnitudes.map((values) => quantileOfSorted(values, 1 - outlierProb)),
      );
    });
  }
});

/** The mean input of each kernel tap, by iterating over all positions. */
function walkedTapMeans(
  data: Float32Array,
  [batch, channels, height, width]: readonly [number, number, number, number],
  { kernel, strides, dilations }: ConvolutionWindow,
  [top, left]: readonly [number, number],
  [rows, columns]: readonly [number, number],
): number[] {
  const means: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    for (let ky = 0; ky < kernel[0]!; ky++) {
      for (let kx = 0; kx < kernel[1]!; kx++) {
        let sum = 0;
        for (let n = 0; n < batch; n++) {
          for (let py = 0; py < rows; py++) {
            for (let px = 0; px < columns; px++) {
              const y = py * strides[0]! + ky * dilations[0]! - top;
              const x = px * strides[1]! + kx * dilations[1]! - left;
              const inside = y >= 0 && y < height && x >= 0 && x < width;
              if (inside) sum += data[((n * channels + channel) * height + y) * width + x]!;
            }
          }
        }
        means.push(sum / (batch * rows * columns));
      }
    }
  }
  return means;
}

describe("Means per tap equal those of iterating over all positions", () => {
  const usual: ConvolutionWindow = {
    kernel: [3, 3],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
    autoPad: "NOTSET",
  };
  const cases: readonly [string, ConvolutionWindow, pad: [number, number], positions: [number, number]][] = [
    ["no padding", usual, [0, 0], [4, 5]],
    ["even padding", { ...usual, pads: [1, 1, 1, 1] }, [1, 1], [6, 7]],
    ["uneven padding", { ...usual, pads: [0, 2, 1, 0] }, [0, 2], [5, 7]],
    ["a stride that leaves rows over", { ...usual, kernel: [2, 2], strides: [2, 3] }, [0, 0], [3, 2]],
    ["one tap and a stride", { ...usual, kernel: [1, 1], strides: [2, 2] }, [0, 0], [3, 4]],
    ["dilation", { ...usual, kernel: [2, 3], dilations: [2, 3] }, [0, 0], [4, 1]],
    ["SAME_UPPER", { ...usual, strides: [2, 2], autoPad: "SAME_UPPER" }, [0, 1], [3, 4]],
    ["SAME_LOWER", { ...usual, strides: [2, 2], autoPad: "SAME_LOWER" }, [1, 1], [3, 4]],
    ["VALID", { ...usual, autoPad: "VALID" }, [0, 0], [4, 5]],
  ];
  for (const [title, window, pad, positions] of cases) {
    test(title, async () => {
      const shape = [2, 3, 6, 7] as const;
      const statistic: ChannelStatistic = { type: "tap_mean", window };
      const { table, data } = await gather(shape, [statistic], 17);
      assertNear(
        table.column("x", statisticName(statistic)),
        data.flatMap((values) => walkedTapMeans(values, shape, window, pad, positions)),
      );
    });
  }
});

describe("A table with columns of several widths", () => {
  const columns = [
    { tensor: "x", statistic: "min" },
    { tensor: "x", statistic: "channel_mean.1", width: 3 },
    { tensor: "y", statistic: "max" },
  ];
  const rows = [Float32Array.of(1, 2, 3, 4, 5), Float32Array.of(6, 7, 8, 9, 10)];

  test("is the same after encoding and decoding, and after joining shards", () => {
    const whole = StatisticsTable.ofRows(columns, rows);
    const shards = rows.map((row) => StatisticsTable.ofRows(columns, [row]));
    const read = StatisticsTable.decode(whole.encode(), "table");
    assert.deepEqual(read.encode(), whole.encode());
    assert.deepEqual(StatisticsTable.concatenate(shards).encode(), whole.encode());
    assert.deepEqual(read.column("y", "max"), Float32Array.of(5, 10));
  });

  test("aggregates each channel over the samples", () => {
    const table = StatisticsTable.ofRows(columns, rows);
    const means = table.channels("x", { type: "channel_mean", axis: 1 }, "mean");
    assert.deepEqual(means, Float64Array.of(4.5, 5.5, 6.5));
  });
});
