import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type SparseTensorProto,
  SparseTensorProtoSchema,
} from "onnx-buf";
import { ModelError } from "../../../shared/basics/errors.js";
import { memoryLimit, setMemoryLimit } from "../../../shared/basics/memory-limit.js";
import { readWholeModel } from "../../../shared/evaluation/model/model-file.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder } from "../../fixtures/models/model-builder.js";

const LIMIT = 50e6;
/** Number of elements of a tensor larger than the memory limit. */
const MANY = 100_000_000;

/** A product plus the largest value of `made`, so that `made` is used. */
function model(made: (graph: GraphBuilder) => string): Model {
  return buildModel((graph) => {
    const product = graph.matMul(graph.input("x", ["N", 4]), 4, 4);
    const largest = graph.node("ReduceMax", [made(graph)], { keepdims: 0 });
    graph.output(graph.node("Add", [product, graph.node("Cast", [largest], { to: DataType.FLOAT })]));
  });
}

/** A number that ONNX Runtime knows only after computing it. */
function computed(graph: GraphBuilder, value: number, dims: readonly number[] = [1]): string {
  const root = graph.ints(`root${value}`, [Math.sqrt(value)], dims);
  return graph.node("Pow", [root, graph.ints(`two${value}`, [2], dims)]);
}

function sparse(dims: readonly bigint[]): SparseTensorProto {
  return create(SparseTensorProtoSchema, {
    values: makeTensor("sparse", DataType.FLOAT, [1], Float32Array.of(1)),
    indices: makeTensor("sparse/at", DataType.INT64, [1], BigInt64Array.of(3n)),
    dims: [...dims],
  });
}

const scalar = (graph: GraphBuilder, name: string, value: number): string => graph.ints(name, [value], []);

const TOO_LARGE: readonly (readonly [
  title: string,
  largest: string,
  made: (graph: GraphBuilder) => string,
])[] = [
  [
    "a sparse initializer",
    "sparse",
    (graph) => {
      graph.graph.sparseInitializer.push(sparse([BigInt(MANY)]));
      return "sparse";
    },
  ],
  [
    "a sparse Constant",
    "sparse",
    (graph) => {
      const name = graph.node("Constant", []);
      const type = AttributeType.SPARSE_TENSOR;
      graph.graph.node
        .at(-1)!
        .attribute.push(
          create(AttributeProtoSchema, { name: "sparse_value", type, sparseTensor: sparse([BigInt(MANY)]) }),
        );
      return name;
    },
  ],
  [
    "ConstantOfShape",
    "big",
    (g) => g.node("ConstantOfShape", [g.ints("n", [MANY])], {}, { outputs: ["big"] }),
  ],
  [
    "ConstantOfShape of a computed size",
    "big",
    (g) => g.node("ConstantOfShape", [computed(g, MANY)], {}, { outputs: ["big"] }),
  ],
  [
    "Expand of a computed size",
    "big",
    (g) => g.node("Expand", [g.floats("one", [1], [1]), computed(g, MANY)], {}, { outputs: ["big"] }),
  ],
  [
    "Tile",
    "big",
    (g) => g.node("Tile", [g.floats("one", [1], [1]), g.ints("n", [MANY])], {}, { outputs: ["big"] }),
  ],
  [
    "Range of a computed size",
    "big",
    (g) => {
      const inputs = [scalar(g, "from", 0), computed(g, MANY, []), scalar(g, "step", 1)];
      return g.node("Range", inputs, {}, { outputs: ["big"] });
    },
  ],
  [
    "broadcasting of what has a computed size",
    "big",
    (g) => {
      const line = g.node("ConstantOfShape", [computed(g, 10_000)]);
      const [row, column] = [0, 1].map((axis) => g.node("Unsqueeze", [line, g.ints(`axis${axis}`, [axis])]));
      return g.node("Add", [row!, column!], {}, { outputs: ["big"] });
    },
  ],
  [
    "a size that follows from the values of a constant",
    "big",
    (g) => {
      const found = g.node("NonZero", [g.floats("ones", [10_000], new Array<number>(10_000).fill(1))]);
      return g.node("Add", [found, g.node("Transpose", [found])], {}, { outputs: ["big"] });
    },
  ],
];

describe("a tensor larger than the memory limit", () => {
  let folder: string;
  let path: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "quantfleet-bounded-"));
    path = join(folder, "model.onnx");
    setMemoryLimit(LIMIT);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function requireRefused(written: Model, largest: string): Promise<void> {
    await writeFile(path, encodeModel(written));
    for (const read of [prepareModelFile, readWholeModel]) {
      await assert.rejects(read(path), (error: unknown) => {
        assert.ok(error instanceof ModelError, String(error));
        assert.ok(error.message.startsWith(`${path}: `), error.message);
        assert.ok(error.message.includes(`"${largest}" the largest`), error.message);
        assert.match(
          error.message,
          /of memory, more than the limit of 0\.05 GB; raise it with --max-memory /,
        );
        return true;
      });
    }
  }

  for (const [title, largest, made] of TOO_LARGE) {
    test(`is refused before it is allocated: ${title}`, () => requireRefused(model(made), largest));
  }

  test("is refused before it is allocated: a fixed batch", () =>
    requireRefused(
      buildModel((graph) => {
        const x = graph.input("x", [65_536, 3, 32, 32]);
        graph.output(graph.node("GlobalAveragePool", [graph.conv(x, [8, 3, 1, 1])]));
      }),
      "Conv_1_output",
    ));

  test("is refused before it is allocated: in an inference, with a size that is a computed constant", () =>
    requireRefused(
      buildModel((graph) => {
        const product = graph.matMul(graph.input("x", ["N", 1]), 1, 1);
        const wide = graph.node("Concat", [graph.ints("one", [1]), computed(graph, MANY)], { axis: 0 });
        graph.output(graph.node("Expand", [product, wide], {}, { outputs: ["big"] }));
      }),
      "big",
    ));

  test("is refused before it is allocated: a constant in a body, at any depth", async () => {
    const inIf = (graph: GraphBuilder, made: GraphProto): void => {
      const other = new GraphBuilder("other");
      other.output(other.floats("none", [], [0]), DataType.FLOAT, []);
      const branches = { then_branch: { graph: made }, else_branch: { graph: other.graph } };
      graph.output(graph.node("If", ["positive"], branches), DataType.FLOAT, []);
    };
    for (const depth of [1, 2]) {
      const body = new GraphBuilder("body");
      const big = body.node("ConstantOfShape", ["size"], {}, { outputs: ["big"] });
      body.output(body.node("ReduceMax", [big], { keepdims: 0 }, { outputs: ["most"] }), DataType.FLOAT, []);
      const around = new GraphBuilder("around");
      inIf(around, body.graph);
      await requireRefused(
        buildModel((graph) => {
          const x = graph.input("x", ["N", 4]);
          graph.node("Mul", [computed(graph, MANY), graph.ints("once", [1])], {}, { outputs: ["size"] });
          const sum = graph.node("ReduceSum", [x], { keepdims: 0 });
          graph.node("Greater", [sum, graph.floats("zero", [], [0])], {}, { outputs: ["positive"] });
          graph.output(graph.matMul(x, 4, 4));
          inIf(graph, depth === 1 ? body.graph : around.graph);
        }),
        "big",
      );
    }
  });

  test("is accepted where the limit is higher", async () => {
    const fitting = model((g) => g.node("ConstantOfShape", [computed(g, 10_000)]));
    await writeFile(path, encodeModel(fitting));
    assert.equal((await prepareModelFile(path)).outputs.length, 1);
    const larger = model((g) => g.node("ConstantOfShape", [computed(g, 25_000_000)]));
    await writeFile(path, encodeModel(larger));
    await assert.rejects(prepareModelFile(path), /more than the limit/);
    setMemoryLimit(500e6);
    try {
      assert.equal((await prepareModelFile(path)).outputs.length, 1);
    } finally {
      setMemoryLimit(LIMIT);
      assert.equal(memoryLimit(), LIMIT);
    }
  });
});
