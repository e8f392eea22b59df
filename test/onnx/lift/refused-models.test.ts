import assert from "node:assert/strict";
import { mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TensorProtoSchema } from "onnx-buf";
import { ModelError } from "../../../shared/basics/errors.js";
import { readWholeModel } from "../../../shared/evaluation/model/model-file.js";
import { prepareModelFile } from "../../../shared/evaluation/model/prepare-model.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { buildModel, GraphBuilder as Graph, type GraphBuilder } from "../../fixtures/models/model-builder.js";

const root = await mkdtemp(join(tmpdir(), "quantfleet-refused-"));
after(() => rm(root, { recursive: true, force: true }));
const elsewhere = await mkdtemp(join(tmpdir(), "quantfleet-refused-"));
after(() => rm(elsewhere, { recursive: true, force: true }));
const path = join(root, "model.onnx");

async function messageOf(content: Model | Uint8Array): Promise<string> {
  await writeFile(path, content instanceof Uint8Array ? content : encodeModel(content));
  let message = "";
  await assert.rejects(prepareModelFile(path), (error: unknown) => {
    assert.ok(error instanceof ModelError, String(error));
    message = error.message;
    return true;
  });
  assert.deepEqual(await readdir(root), ["model.onnx"]);
  assert.ok(message.endsWith("."));
  return message;
}

function halves(type: DataType, name: string, dims: readonly number[]) {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const fields = { name, dataType: type, dims: dims.map(BigInt), rawData: new Uint8Array(2 * count) };
  return create(TensorProtoSchema, fields);
}

const quantizeNode = (graph: GraphBuilder, input: string): string => {
  graph.initializer(makeTensor("zero", DataType.UINT8, [], Uint8Array.of(0)));
  return graph.node("QuantizeLinear", [input, graph.floats("scale", [], [0.1]), "zero"], {}, { name: "q" });
};

describe("models that cannot be quantized are refused", () => {
  test("a file that is not there", async () => {
    const missing = join(root, "missing.onnx");
    await assert.rejects(
      prepareModelFile(missing),
      new ModelError(`The model ${missing} cannot be read (ENOENT); check the path.`),
    );
  });

  test("a folder", async () => {
    await assert.rejects(
      prepareModelFile(root),
      new ModelError(`The model ${root} is not a file; give the path of an .onnx file.`),
    );
  });

  test("a file that is larger than any protobuf message", async () => {
    const large = join(elsewhere, "large.onnx");
    const file = await open(large, "w");
    await file.truncate(2 ** 31);
    await file.close();
    await assert.rejects(
      prepareModelFile(large),
      new ModelError(
        `The model ${large} has 2147483648 bytes, more than the 2147483647 of a protobuf message; move its tensors into external data.`,
      ),
    );
  });

  test("a model that is already quantized", async () => {
    const quantized = buildModel((graph) => {
      graph.output(quantizeNode(graph, graph.input("x", [2])));
    });
    assert.equal(
      await messageOf(quantized),
      `${path} is quantized already (node "q" is a QuantizeLinear); give the float model that it was made from.`,
    );
  });

  test("a model with operators of dynamic or block-wise quantization", async () => {
    for (const opType of [
      "MatMulNBits",
      "DynamicQuantizeMatMul",
      "QLinearConv",
      "MatMulIntegerToFloat",
      "QGemm",
    ]) {
      const quantized = buildModel((graph) => {
        graph.output(graph.node(opType, [graph.input("x", [2])], {}, { domain: "com.microsoft", name: "n" }));
      });
      assert.match(
        await messageOf(quantized),
        new RegExp(`is quantized already \\(node "n" is a ${opType}\\);`),
      );
    }
  });

  test("a model with quantized ops in two levels of nesting", async () => {
    const inner = new Graph("inner");
    inner.output(quantizeNode(inner, "x"));
    const outer = new Graph("outer");
    outer.node("If", ["c"], { then_branch: { graph: inner.graph }, else_branch: { graph: inner.graph } });
    const quantized = buildModel((graph) => {
      graph.node("If", ["c"], { then_branch: { graph: outer.graph }, else_branch: { graph: outer.graph } });
    });
    assert.match(await messageOf(quantized), /is quantized already \(node "q" is a QuantizeLinear\)/);
  });

  test("a model in 16-bit floats, whether initializers or Constant nodes hold them", async () => {
    for (const type of [DataType.FLOAT16, DataType.BFLOAT16]) {
      const stored = buildModel((graph) => {
        const x = graph.input("x", ["N", 3, 4, 4], type);
        graph.initializer(halves(type, "w", [2, 3, 1, 1]));
        graph.output(graph.node("Conv", [x, "w"], {}, { name: "conv" }));
      });
      const constant = buildModel((graph) => {
        const tensor = halves(type, "value", [3, 2]);
        graph.node("Constant", [], { value: { tensor } }, { outputs: ["w"] });
        graph.output(graph.node("MatMul", [graph.input("x", ["N", 3], type), "w"], {}, { name: "conv" }));
      });
      for (const half of [stored, constant]) {
        assert.equal(
          await messageOf(half),
          `${path} keeps the weights "w" of node "conv" in ${DataType[type]}; export the model in float32.`,
        );
      }
    }
  });

  test("weights that are NaN or infinite", async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const broken = buildModel((graph) => {
        graph.output(
          graph.node("MatMul", [graph.input("x", ["N", 2]), graph.floats("w", [2, 2], [1, 2, value, 4])]),
        );
      });
      assert.equal(
        await messageOf(broken),
        `${path}: initializer "w" holds ${value} at element 2; repair the weights and export the model again.`,
      );
    }
  });

  test("NaN in any other constant, but not infinity, which may be a mask", async () => {
    const masked = (value: number): Model =>
      buildModel((graph) => {
        const scores = graph.matMul(graph.input("x", ["N", 2]), 2, 2);
        graph.output(
          graph.node("Softmax", [
            graph.node("Where", ["keep", scores, graph.floats("mask", [2], [0, value])]),
          ]),
        );
        graph.initializer(makeTensor("keep", DataType.BOOL, [1], Uint8Array.of(0)));
      });
    assert.match(await messageOf(masked(Number.NaN)), /initializer ".*" holds NaN at element 1; repair/);
    await writeFile(path, encodeModel(masked(Number.NEGATIVE_INFINITY)));
    assert.ok(await prepareModelFile(path));
  });

  test("nodes that share a name, which ONNX Runtime does not load", async () => {
    const twins = buildModel((graph) => {
      const hidden = graph.matMul(graph.input("x", ["N", 2]), 2, 2, { name: "n", outputs: ["h"] });
      graph.output(graph.matMul(hidden, 2, 2, { name: "n", outputs: ["y"] }));
    });
    const message = await messageOf(twins);
    assert.match(message, /model\.onnx: ONNX Runtime cannot load the model: .*same node name \(n\)/);
    assert.match(message, /; export the model again\.$/);
  });

  test("an operator that ONNX Runtime does not know", async () => {
    const unknown = buildModel((graph) => graph.output(graph.node("Invented", [graph.input("x", [2])])));
    assert.match(
      await messageOf(unknown),
      /model\.onnx: ONNX Runtime cannot load the model: .*Invented.*; export/,
    );
  });

  test("a tensor without a producer", async () => {
    const dangling = buildModel((graph) => graph.output(graph.node("Relu", ["nobody's"])));
    assert.match(await messageOf(dangling), /model\.onnx: ONNX Runtime cannot load the model: .*; export/);
  });

  test("an initializer with fewer elements than its shape says", async () => {
    const short = buildModel((graph) => {
      graph.output(graph.matMul(graph.input("x", ["N", 2]), 2, 2));
      graph.graph.initializer[0]!.rawData = new Uint8Array(12);
    });
    assert.equal(
      await messageOf(short),
      `${path}: tensor "matmul1.weight" holds 12 bytes where its shape [2, 2] of FLOAT needs 16; the file is damaged, export the model again.`,
    );
  });

  test("a model without outputs", async () => {
    const silent = buildModel((graph) => {
      graph.matMul(graph.input("x", ["N", 2]), 2, 2);
    });
    assert.equal(
      await messageOf(silent),
      `${path} has no outputs, so that nothing of it can be scored; export it with some.`,
    );
    // The same where a model is read as it is, to be evaluated.
    await writeFile(path, encodeModel(silent));
    await assert.rejects(readWholeModel(path), {
      code: "MODEL",
      message: `${path} has no outputs, so that nothing of it can be scored; export it with some.`,
    });
  });

  test("names that are too long for run records", async () => {
    const named = (name: string, tensor: string): Model =>
      buildModel((graph) => {
        graph.output(graph.matMul(graph.input("x", ["N", 2]), 2, 2, { name, outputs: [tensor] }));
      });
    const long = "n".repeat(200_000);
    const says = (what: string): string =>
      `${path} has a ${what} "${"n".repeat(40)}..." whose name has 200000 characters, more than the 480 that can be recorded; rename it.`;
    assert.equal(await messageOf(named(long, "y")), says("node"));
    assert.equal(await messageOf(named("product", long)), says("tensor"));
  });

  test("constants of impossible shapes, or with missing data", async () => {
    const declaring = (...dims: bigint[]): Model =>
      buildModel((graph) => {
        graph.output(graph.matMul(graph.input("x", ["N", 2]), 2, 2));
        Object.assign(graph.graph.initializer[0]!, { dims, rawData: new Uint8Array(0) });
      });
    assert.equal(
      await messageOf(declaring(-2n, 2n)),
      `${path}: tensor "matmul1.weight" has shape [-2, 2], which no tensor can have; export the model again.`,
    );
    assert.match(await messageOf(declaring(2n ** 32n, 2n ** 32n)), /which no tensor can have/);
    assert.equal(
      await messageOf(declaring(100_000n, 100_000n)),
      `${path}: tensor "matmul1.weight" holds 0 elements where its shape [100000, 100000] of FLOAT needs 10000000000; the file is damaged, export the model again.`,
    );
  });

  test("an operator set that ONNX Runtime does not have yet", async () => {
    const tomorrow = buildModel((graph) => graph.output(graph.node("Relu", [graph.input("x", [2])])), {
      opset: 99,
    });
    assert.match(
      await messageOf(tomorrow),
      /ONNX Runtime cannot load the model: .*99.*; export the model again\.$/,
    );
  });

  test("a file truncated at any place", async () => {
    const bytes = encodeModel(
      buildModel((graph) => graph.output(graph.conv(graph.input("x", ["N", 3, 8, 8]), [4, 3, 3, 3]))),
    );
    for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 40)) {
      await messageOf(bytes.slice(0, length));
    }
  });

  test("a file of another format", async () => {
    for (const text of [
      "<!DOCTYPE html>",
      "PK\u0003\u0004",
      "version https://git-lfs.github.com/spec/v1\n",
    ]) {
      assert.match(await messageOf(Buffer.from(text)), /is not an ONNX model/);
    }
  });
});
