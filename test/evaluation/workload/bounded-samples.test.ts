import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { memoryLimit, setMemoryLimit } from "../../../shared/basics/memory-limit.js";
import { loadDataset } from "../../../shared/data/load-dataset.js";
import { requireBoundedSamples } from "../../../shared/evaluation/workload/bounded-samples.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType } from "../../../shared/onnx/model/tensor.js";
import { DEFAULT_SESSION, openSession, portsOf } from "../../../shared/runtime/session.js";
import { temporaryFolder } from "../../data/temporary-folder.js";
import { npyBytes } from "../../data/write-npy.js";
import { runCommand } from "../../end-to-end/steps/command.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";

const LIMIT = 60e6;
const limit = memoryLimit();
before(() => setMemoryLimit(LIMIT));
after(() => setMemoryLimit(limit));

const folder = await temporaryFolder();
const ROWS = 6;
const LARGE_ROW = 4;
/** Elements of a tensor that does not fit: 400 MB. */
const MANY = 100_000_000;
const counts = BigInt64Array.from({ length: ROWS }, (_, row) => BigInt(row === LARGE_ROW ? MANY : row + 2));
await folder.write("n.npy", npyBytes({ descr: "<i8", shape: [ROWS, 1], data: counts }));
const LENGTH = 2_000;
const long = new Float32Array(ROWS * LENGTH).fill(0.5);
await folder.write("x.npy", npyBytes({ descr: "<f4", shape: [ROWS, LENGTH], data: long }));

/** The value of the first sample, as an output of the model takes it. */
function ofCount(made: (graph: GraphBuilder, count: string) => string): Model {
  return buildModel((graph) => {
    const n = graph.input("n", ["N", 1], DataType.INT64);
    const count = graph.node("Reshape", [
      graph.node("Gather", [n, graph.ints("zero", [0])]),
      graph.ints("one", [1]),
    ]);
    const large = graph.node("Cast", [made(graph, count)], { to: DataType.FLOAT });
    const most = graph.node("ReduceMax", [large], { keepdims: 0 });
    const product = graph.matMul(graph.node("Cast", [n], { to: DataType.FLOAT }), 1, 4);
    graph.output(graph.node("Add", [product, most], {}, { outputs: ["y"] }), DataType.FLOAT, ["N", 4]);
  });
}

/** Every value of a sample times every other one. */
const outer = buildModel((graph) => {
  const x = graph.input("x", ["N", "L"]);
  const [rows, columns] = [2, 1].map((axis) =>
    graph.node("Unsqueeze", [x, graph.ints(`axis${axis}`, [axis])]),
  );
  const products = graph.node("Mul", [rows!, columns!], {}, { outputs: ["products"] });
  const sums = graph.node("ReduceSum", [products, graph.ints("last", [2])], { keepdims: 0 });
  const most = graph.node("ReduceMax", [sums], { axes: [1], keepdims: 1 });
  graph.output(graph.matMul(most, 1, 3, { outputs: ["y"] }), DataType.FLOAT, ["N", 3]);
});

async function check(model: Model, section: object, used: readonly number[], batchSize = 1): Promise<void> {
  const session = await openSession(encodeModel(model), DEFAULT_SESSION);
  const { inputs } = portsOf(session);
  await session.release();
  const dataset = await loadDataset(
    { inputs: section as Record<string, { data: string; scale: number }> },
    { directory: folder.path, inputs, path: "engine.evaluation" },
  );
  await requireBoundedSamples(model, { dataset, used, batchSize }, "m.onnx");
}

const counted = { n: { data: "n.npy", scale: 1 } };
const all = [0, 1, 2, 3, 4, 5];
const small = all.filter((row) => row !== LARGE_ROW);

describe("Tensors whose sizes follow from the values of a sample", () => {
  for (const [title, largest, made] of [
    [
      "ConstantOfShape",
      "large",
      (graph: GraphBuilder, count: string) =>
        graph.node("ConstantOfShape", [count], {}, { outputs: ["large"] }),
    ],
    [
      "Expand to a shape that is put together",
      "large",
      (graph: GraphBuilder, count: string) => {
        const shape = graph.node("Concat", [graph.ints("two", [2]), count], { axis: 0 });
        return graph.node("Expand", [graph.floats("value", [1, 1], [1]), shape], {}, { outputs: ["large"] });
      },
    ],
    [
      "Range",
      "large",
      (graph: GraphBuilder, count: string) => {
        const end = graph.node("Squeeze", [count]);
        return graph.node(
          "Range",
          [graph.ints("from", [0], []), end, graph.ints("by", [1], [])],
          {},
          { outputs: ["large"] },
        );
      },
    ],
  ] as const)
    test(`are bounded before any memory is taken: ${title}`, async () => {
      const model = ofCount(made);
      await assert.rejects(check(model, counted, all), (error: Error & { code?: string }) => {
        assert.equal(error.code, "DATA");
        assert.match(
          error.message,
          new RegExp(
            `^engine\\.evaluation\\.inputs\\.n \\(n\\.npy\\), row ${LARGE_ROW} in m\\.onnx: the tensors of an inference, "${largest}.*" the largest of them, need .* of memory, more than the limit of 0\\.06 GB; raise it with --max-memory`,
          ),
        );
        return true;
      });
      await check(model, counted, small);
    });

  test("are no matter where sizes follow from shapes alone, whatever the values", async () => {
    const model = ofCount((graph, count) => graph.node("ConstantOfShape", [graph.node("Shape", [count])]));
    await check(model, counted, all);
  });
});

describe("Tensors whose sizes follow from the shape of a sample", () => {
  const lengths = { x: { data: "x.npy", scale: 1 } };

  test("are bounded, for as many samples as are run together", async () => {
    // Of one sample it is 16 MB, in three sessions 48 MB.
    await check(outer, lengths, all, 1);
    await assert.rejects(check(outer, lengths, all, 2), {
      code: "DATA",
      message:
        /^engine\.evaluation\.inputs\.x \(x\.npy\), row 0, 2 samples at a time \(engine\.batch_size\), in m\.onnx: .*"products" the largest .*--max-memory/,
    });
  });

  test("are bounded by every command, which ends with an input error", async () => {
    await folder.write("m.onnx", encodeModel(outer));
    const section = { inputs: { x: "x.npy" } };
    const configuration = {
      model: { model: "m.onnx" },
      engine: { calibration: section, evaluation: section, metric: { name: "sqnr" }, batch_size: 1 },
      optimizer: { params: { max_trials: 1 } },
    };
    await folder.write("config.json", JSON.stringify(configuration));
    const config = join(folder.path, "config.json");
    for (const command of [
      ["quantize", config, "--out", join(folder.path, "out")],
      ["tune", config, "--out", join(folder.path, "out")],
      ["evaluate", join(folder.path, "m.onnx"), config],
    ]) {
      const { code, stderr } = await runCommand([...command, "--max-memory", "40MB"], folder.path);
      assert.match(stderr, /\(x\.npy\), row \d in .*m\.onnx: the tensors of an inference, "products"/);
      assert.match(
        stderr,
        /need in 3 sessions 0\.048.* GB of memory, more than the limit of 0\.04 GB; raise it/,
      );
      assert.equal(code, 2, command[0]);
    }
  });
});
