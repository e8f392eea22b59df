import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { prepareModel } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { findEqualizablePairs } from "../../../shared/quantization/algorithms/equalization-factors.js";
import {
  equalizationStatistics,
  gainingPairs,
} from "../../../shared/quantization/algorithms/equalization-gain.js";
import { planQuantization } from "../../../shared/quantization/space/plan.js";
import type { TuningOptions } from "../../../shared/quantization/space/tuning-options.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { quantizationSettings } from "../small-net.js";

const CHANNELS = 8;

/**
 * Three pointwise convolutions with Relus between. The first one's output channels differ in size, which the second
 * compensates; the second one's output channels are even.
 * @param made the size of an output channel of the first convolution
 */
function threeLayers(made: (channel: number) => number): Model {
  const random = new RandomValues(3);
  const weights = (graph: GraphBuilder, name: string, factor: (output: number, input: number) => number) =>
    graph.floats(
      name,
      [CHANNELS, CHANNELS, 1, 1],
      Array.from(
        { length: CHANNELS ** 2 },
        (_, at) => random.normal() * factor(Math.floor(at / CHANNELS), at % CHANNELS),
      ),
    );
  return buildModel((graph) => {
    const x = graph.input("x", [1, CHANNELS, 6, 6]);
    const layer = (name: string, input: string, factor: (output: number, input: number) => number): string =>
      graph.node("Conv", [input, weights(graph, `${name}.weight`, factor)], {}, { name });
    const first = graph.node("Relu", [layer("first", x, (output) => made(output))]);
    const second = graph.node("Relu", [layer("second", first, (_, input) => 1 / made(input))]);
    graph.output(layer("third", second, () => 1));
  });
}

async function gaining(model: Model, options: Partial<TuningOptions> = {}): Promise<string[]> {
  const settings = quantizationSettings(options);
  const { prepared, view, layout, hardware, space } = makeSubject(
    await prepareModel(encodeModel(model), "three-layers.onnx", 13),
    settings,
  );
  const found = findEqualizablePairs(view.index, {});
  const random = new RandomValues(4);
  const samples = Array.from({ length: 4 }, () =>
    Float32Array.from({ length: CHANNELS * 36 }, () => random.normal()),
  );
  const table = await collectStatistics(prepared.model, equalizationStatistics(found), {
    count: samples.length,
    batch: (i) => ({ x: { type: "float32" as const, data: samples[i]!, dims: [1, CHANNELS, 6, 6] } }),
  });
  const plan = planQuantization(layout, hardware, settings.options, space.base);
  return gainingPairs(found, view.index, layout, plan, table).map(
    ({ producer, consumer }) => `${producer.name} ${consumer.name}`,
  );
}

describe("The pairs that gain by being equalized", () => {
  test("are those whose channels are uneven between them", async () => {
    assert.deepEqual(await gaining(threeLayers((channel) => 4 ** (channel % 4))), ["first second"]);
  });
  test("are none where all channels are even", async () => {
    assert.deepEqual(await gaining(threeLayers(() => 1)), []);
  });
  test("are all pairs where weights have one scale per tensor", async () => {
    const weights = { granularity: "pertensor" } as const;
    assert.deepEqual(
      await gaining(
        threeLayers(() => 1),
        { weights },
      ),
      ["first second", "second third"],
    );
  });
});
