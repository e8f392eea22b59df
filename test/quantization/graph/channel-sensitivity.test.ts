import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { channelSensitivity } from "../../../shared/quantization/graph/channel-sensitivity.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { quantizationSettings } from "../small-net.js";

const LARGEST = 2 ** 20;

async function sensitivityIn(model: Model, tensor: string) {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-sensitivity-"));
  try {
    const path = join(folder, "net.onnx");
    await writeFile(path, encodeModel(model));
    return channelSensitivity(tensor, makeSubject(await prepareModelFile(path), quantizationSettings()).view);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A model in which the nodes that `read` adds read the output `hidden` of a Relu. */
function netBefore(
  read: (graph: Parameters<Parameters<typeof buildModel>[0]>[0], tensor: string) => string,
  dims: readonly number[],
): Model {
  return buildModel((graph) => {
    const x = graph.input("x", ["N", ...dims]);
    graph.output(read(graph, graph.node("Relu", [x], {}, { outputs: ["hidden"] })));
  });
}

describe("Sensitivity of the products after a tensor to its channels", () => {
  test("a convolution: squared weights by input channel, through ops that keep channels apart", async () => {
    const model = netBefore(
      (graph, hidden) => {
        const pooled = graph.node("MaxPool", [hidden], { kernel_shape: [2, 2], strides: [2, 2] });
        // Two outputs, two inputs, one tap: squared and summed over the outputs 1 + 9 and 4 + 16.
        return graph.node("Conv", [pooled, graph.floats("w", [2, 2, 1, 1], [1, -2, 3, 4])]);
      },
      [2, 4, 4],
    );
    const expected = { axis: 1, weights: [LARGEST / 2, LARGEST] };
    assert.deepEqual(await sensitivityIn(model, "hidden"), expected);
    assert.deepEqual(await sensitivityIn(model, "x"), expected);
  });

  test("a depthwise convolution: each channel's own kernel", async () => {
    const model = netBefore(
      (graph, hidden) =>
        graph.node("Conv", [hidden, graph.floats("w", [2, 1, 1, 2], [1, 1, 2, 0])], { group: 2 }),
      [2, 1, 4],
    );
    assert.deepEqual(await sensitivityIn(model, "hidden"), { axis: 1, weights: [LARGEST / 2, LARGEST] });
  });

  test("a product of matrices: its rows, on the last axis", async () => {
    const model = netBefore(
      (graph, hidden) => graph.node("MatMul", [hidden, graph.floats("w", [2, 2], [1, 1, 2, 2])]),
      [3, 2],
    );
    assert.deepEqual(await sensitivityIn(model, "hidden"), { axis: -1, weights: [LARGEST / 4, LARGEST] });
  });

  test("products that read the tensor directly count, and none after them", async () => {
    const model = netBefore(
      (graph, hidden) => {
        const first = graph.node("Conv", [hidden, graph.floats("a", [1, 2, 1], [1, 0])]);
        const second = graph.node("Conv", [hidden, graph.floats("b", [1, 2, 1], [1, 2])]);
        const sum = graph.node("Add", [first, second]);
        return graph.node("Conv", [sum, graph.floats("c", [1, 1, 1], [100])]);
      },
      [2, 4],
    );
    assert.deepEqual(await sensitivityIn(model, "hidden"), { axis: 1, weights: [LARGEST / 2, LARGEST] });
  });

  test("undefined where no product follows with the same channels", async () => {
    const model = netBefore(
      (graph, hidden) => {
        const flat = graph.node("Reshape", [hidden, graph.ints("shape", [-1, 8])]);
        return graph.node("Gemm", [flat, graph.floats("w", [1, 8], [1, 2, 3, 4, 5, 6, 7, 8])], { transB: 1 });
      },
      [2, 4],
    );
    assert.equal(await sensitivityIn(model, "hidden"), undefined);
  });
});
