import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { NodeProtoSchema, ValueInfoProtoSchema } from "onnx-buf";
import { Tensor } from "onnxruntime-node";
import type { Model } from "../../shared/onnx/model/codec.js";
import { edited } from "../../shared/onnx/model/edited.js";
import type { InputBatch } from "../../shared/runtime/input-batch.js";
import { DEFAULT_SESSION, openSession } from "../../shared/runtime/session.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { collectStatistics } from "../../shared/statistics/collect.js";
import { Histogram } from "../../shared/statistics/histogram.js";
import { quantileOfSorted } from "../../shared/statistics/quantile.js";
import { type Statistic, statisticName, type TensorStatistic } from "../../shared/statistics/requirement.js";
import { StatisticsTable } from "../../shared/statistics/table.js";
import { buildModel } from "../fixtures/models/model-builder.js";

const SAMPLES = 3;
const PROBABILITIES = [0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-5];
const STATISTICS: readonly TensorStatistic[] = [
  { type: "min" },
  { type: "max" },
  ...PROBABILITIES.flatMap((outlierProb): TensorStatistic[] => [
    { type: "quantile", side: "min", outlierProb },
    { type: "quantile", side: "max", outlierProb },
    { type: "abs_quantile", outlierProb },
  ]),
];

/** x -> hidden = 3 x - 1 -> y = relu(hidden), on samples of the given shape. */
function modelOf(shape: readonly number[]): Model {
  return buildModel((graph) => {
    const x = graph.input("x", [1, ...shape]);
    const tripled = graph.node("Mul", [x, graph.floats("three", [], [3])]);
    const hidden = graph.node("Sub", [tripled, graph.floats("one", [], [1])], {}, { outputs: ["hidden"] });
    graph.output(graph.node("Relu", [hidden], {}, { outputs: ["y"] }));
  });
}

function samplesOf(shape: readonly number[]): InputBatch[] {
  const random = createRandomStream(11, 0, "sample-order");
  const size = shape.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: SAMPLES }, () => {
    // Many equal values and some outliers, like activations after a Relu.
    const data = Float32Array.from({ length: size }, () => {
      const u = random.uniform();
      return u < 0.3 ? 0.5 : (u - 0.6) ** 3 * 100;
    });
    return { x: { type: "float32", data, dims: [1, ...shape] } };
  });
}

/** All activations of the model, fetched and reduced in JavaScript. */
async function fetched(
  model: Model,
  tensor: string,
  batches: readonly InputBatch[],
): Promise<Float32Array[]> {
  const output = create(ValueInfoProtoSchema, { name: tensor });
  const fetching = edited(model, { graph: edited(model.graph, { output: [output] }) });
  const session = await openSession(fetching, DEFAULT_SESSION);
  const values: Float32Array[] = [];
  for (const { x } of batches) {
    const outputs = await session.run({ x: new Tensor("float32", x!.data as Float32Array, [...x!.dims]) });
    values.push(outputs[tensor]!.data as Float32Array);
  }
  await session.release();
  return values;
}

function reduce(values: Float32Array, statistic: TensorStatistic): number {
  const sorted = values.toSorted();
  switch (statistic.type) {
    case "min":
      return sorted[0]!;
    case "max":
      return sorted.at(-1)!;
    case "quantile": {
      const q = statistic.side === "min" ? statistic.outlierProb : 1 - statistic.outlierProb;
      return quantileOfSorted(sorted, q);
    }
    case "abs_quantile":
      return quantileOfSorted(values.map(Math.abs).toSorted(), 1 - statistic.outlierProb);
  }
}

describe("Statistics reduced inside ONNX Runtime equal those of the fetched activations", () => {
  for (const shape of [[], [1], [7], [100], [3, 5, 5], [2, 3, 4, 2, 2], [20_000]]) {
    test(`samples of shape [${shape.join(", ")}]`, async () => {
      const model = modelOf(shape);
      const batches = samplesOf(shape);
      const tensors = ["x", "hidden", "y"];
      const requirement = new Map(tensors.map((tensor) => [tensor, STATISTICS]));
      const table = await collectStatistics(model, requirement, {
        count: SAMPLES,
        batch: (index) => batches[index]!,
      });
      for (const tensor of tensors) {
        const activations =
          tensor === "x"
            ? batches.map(({ x }) => x!.data as Float32Array)
            : await fetched(model, tensor, batches);
        for (const statistic of STATISTICS) {
          const column = table.column(tensor, statisticName(statistic));
          activations.forEach((values, sample) => {
            const expected = reduce(values, statistic);
            // Both interpolate in double precision, from opposite ends of the sorted values, and store
            // float32.
            const allowed = 2 ** -22 * Math.max(...values.map(Math.abs));
            assert.ok(
              Math.abs(column[sample]! - expected) <= allowed,
              `${tensor} ${statisticName(statistic)} is ${column[sample]}, not ${expected}`,
            );
          });
        }
      }
    });
  }
});

test("a model may contain the names that statistics use by default", async () => {
  const model = modelOf([4]);
  const requirement = new Map([["x", STATISTICS]]);
  const batches = samplesOf([4]);
  const calibration = { count: SAMPLES, batch: (index: number) => batches[index]! };
  const expected = await collectStatistics(model, requirement, calibration);
  const taken = ["row", "0/Reshape", "0/integers", "shape/0"].map(
    (ending) => `quantfleet/statistics/${ending}`,
  );
  for (const name of taken) {
    model.graph.node.push(create(NodeProtoSchema, { opType: "Relu", name, input: ["x"], output: [name] }));
  }
  const found = await collectStatistics(model, requirement, calibration);
  for (const statistic of STATISTICS) {
    const name = statisticName(statistic);
    assert.deepEqual(found.column("x", name), expected.column("x", name));
  }
});

test("collecting statistics stops when the signal is aborted", async () => {
  const batches = samplesOf([4]);
  const signal = AbortSignal.abort();
  const gathering = collectStatistics(
    modelOf([4]),
    new Map([["x", STATISTICS]]),
    { count: SAMPLES, batch: (index) => batches[index]! },
    signal,
  );
  await assert.rejects(gathering, { name: "AbortError" });
});

describe("Histograms equal those of the fetched activations", () => {
  const shape = [3, 5, 5];
  const channels = { axis: 1, weights: [5, 0, 7] } as const;
  const requirement = new Map(
    ["x", "hidden"].map((tensor) => [
      tensor,
      [
        { type: "max" },
        { type: "histogram" },
        { type: "output_histogram", channels },
        { type: "channel_histogram", axis: 1 },
      ] satisfies Statistic[],
    ]),
  );
  const batches = samplesOf(shape);
  const gather = (start: number, end: number) =>
    collectStatistics(modelOf(shape), requirement, {
      count: end - start,
      batch: (index) => batches[start + index]!,
    });

  test("of the whole tensor, unweighted and weighted by channel", async () => {
    const table = await gather(0, SAMPLES);
    const hidden = await fetched(modelOf(shape), "hidden", batches);
    const [plain, weighed] = [new Histogram(), new Histogram()];
    for (const values of hidden) {
      plain.add(values);
      weighed.add(values, { weights: channels.weights, inner: 25 });
    }
    assert.deepEqual(table.histogram("hidden", "histogram").content(), plain.content());
    assert.deepEqual(table.histogram("hidden", "output_histogram").content(), weighed.content());
  });

  test("per channel", async () => {
    const table = await gather(0, SAMPLES);
    const hidden = await fetched(modelOf(shape), "hidden", batches);
    table.channelHistograms("hidden", 1, 3).forEach((histogram, channel) => {
      const alone = new Histogram();
      for (const values of hidden) alone.add(values.slice(25 * channel, 25 * (channel + 1)));
      assert.deepEqual(histogram.content(), alone.content());
    });
  });

  test("have the same bytes for any division into shards", async () => {
    const whole = (await gather(0, SAMPLES)).encode();
    for (const cuts of [
      [0, 1, 2, 3],
      [0, 2, 3],
      [0, 1, 3],
    ]) {
      const shards = await Promise.all(cuts.slice(1).map((end, i) => gather(cuts[i]!, end)));
      const stored = shards.map((shard) => StatisticsTable.decode(shard.encode(), "shard"));
      assert.deepEqual(StatisticsTable.concatenate(stored).encode(), whole);
    }
  });
});
