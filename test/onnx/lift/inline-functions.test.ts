import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type FunctionProto,
  FunctionProtoSchema,
  OperatorSetIdProtoSchema,
} from "onnx-buf";
import { ModelError } from "../../../shared/basics/errors.js";
import { inlineFunctions } from "../../../shared/onnx/lift/inline-functions.js";
import { liftOpset } from "../../../shared/onnx/lift/opset.js";
import { decodeModel, encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { DataType, makeTensor } from "../../../shared/onnx/model/tensor.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, GraphBuilder, type ModelOptions } from "../../fixtures/models/model-builder.js";

const DOMAIN = "local";
const BATCH = {
  x: { type: "float32", dims: [2, 3, 4], data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)) },
} as const;

interface Signature {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly string[];
  readonly defaults?: readonly { readonly name: string; readonly float: number }[];
  readonly opset?: number;
}

function localFunction(
  name: string,
  signature: Signature,
  fill: (body: GraphBuilder) => void,
): FunctionProto {
  const { input, output, attribute = [], defaults = [], opset = 17 } = signature;
  const body = new GraphBuilder();
  fill(body);
  return create(FunctionProtoSchema, {
    name,
    domain: DOMAIN,
    input: [...input],
    output: [...output],
    attribute: [...attribute],
    attributeProto: defaults.map((value) =>
      create(AttributeProtoSchema, {
        name: value.name,
        type: AttributeType.FLOAT,
        f: Math.fround(value.float),
      }),
    ),
    node: body.graph.node,
    opsetImport: [["", opset] as const, [DOMAIN, 1] as const].map(([domain, version]) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
    ),
  });
}

/** Makes an attribute of the body's last node a reference to an attribute of the function. */
function refer(body: GraphBuilder, name: string, to: string, type: AttributeType): void {
  const attribute = create(AttributeProtoSchema, { name, refAttrName: to, type });
  body.graph.node.at(-1)!.attribute.push(attribute);
}

function modelOf(
  functions: readonly FunctionProto[],
  fill: (graph: GraphBuilder, x: string) => void,
  options: ModelOptions = {},
): Model {
  const model = buildModel((graph) => fill(graph, graph.input("x", ["N", 3, 4])), {
    domains: { [DOMAIN]: 1 },
    ...options,
  });
  model.functions = [...functions];
  return model;
}

/**
 * Requires equal outputs of the model as ONNX Runtime reads it and of the inlined and lifted model; returns
 * the latter.
 */
async function requireSame(model: Model): Promise<Model> {
  const before = await runModel(decodeModel(encodeModel(model), "m.onnx"), "disabled", BATCH);
  const inlined = decodeModel(encodeModel(model), "m.onnx");
  inlineFunctions(inlined, "m.onnx");
  liftOpset(inlined, 13, "m.onnx");
  assert.equal(inlined.functions.length, 0);
  const after = await runModel(inlined, "disabled", BATCH);
  assert.deepEqual([...after.keys()], [...before.keys()]);
  for (const [name, values] of before) assert.deepEqual([...after.get(name)!], [...values], name);
  const names = inlined.graph.node.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  return inlined;
}

const call = { domain: DOMAIN } as const;

describe("local functions", () => {
  const leaky = localFunction(
    "Leaky",
    { input: ["a"], output: ["b"], defaults: [{ name: "slope", float: 0.25 }] },
    (body) => {
      body.node("LeakyRelu", ["a"], {}, { name: "inner", outputs: ["t"] });
      refer(body, "alpha", "slope", AttributeType.FLOAT);
      body.node("Tanh", ["t"], {}, { name: "tanh", outputs: ["b"] });
    },
  );

  test("take a call's attributes or the defaults, and the names of each call's nodes are unique", async () => {
    const model = modelOf([leaky], (graph, x) => {
      // Names that the inlined nodes would have.
      const first = graph.node("Leaky", [x], {}, { ...call, name: "f", outputs: ["t"] });
      const second = graph.node(
        "Leaky",
        [first],
        { slope: { float: 0.5 } },
        { ...call, name: "f2", outputs: ["f2/t"] },
      );
      graph.output(graph.node("Neg", [second], {}, { name: "f/inner", outputs: ["y"] }));
    });
    const { graph } = await requireSame(model);
    assert.deepEqual(
      graph.node.map(({ opType }) => opType),
      ["LeakyRelu", "Tanh", "LeakyRelu", "Tanh", "Neg"],
    );
  });

  test("a reference to an attribute without a value is removed", async () => {
    const softmax = localFunction("S", { input: ["a"], output: ["b"], attribute: ["along"] }, (body) => {
      body.node("Softmax", ["a"], {}, { outputs: ["b"] });
      refer(body, "axis", "along", AttributeType.INT);
    });
    await requireSame(
      modelOf([softmax], (graph, x) => {
        graph.output(graph.node("S", [x], {}, call));
        graph.output(graph.node("S", [x], { along: 1 }, call));
      }),
    );
  });

  test("inputs and outputs may be omitted", async () => {
    const bounded = localFunction("Bounded", { input: ["a", "low", "high"], output: ["b", "c"] }, (body) => {
      body.node("Clip", ["a", "low", "high"], {}, { outputs: ["b"] });
      body.node("Neg", ["b"], {}, { outputs: ["c"] });
    });
    await requireSame(
      modelOf([bounded], (graph, x) => {
        graph.output(
          graph.node(
            "Bounded",
            [x, "", graph.floats("half", [], [0.5])],
            {},
            { ...call, outputs: ["y", "unread"] },
          ),
        );
        graph.node("Bounded", [x], {}, { ...call, name: "second", outputs: ["", "z"] });
        graph.output("z");
      }),
    );
  });

  test("may call each other and return their inputs", async () => {
    const twice = localFunction("Twice", { input: ["a"], output: ["b", "a", "b"] }, (body) => {
      const first = body.node("Leaky", ["a"], {}, { ...call, name: "one" });
      body.node("Leaky", [first], {}, { ...call, name: "two", outputs: ["b"] });
      refer(body, "slope", "steep", AttributeType.FLOAT);
    });
    twice.attribute = ["steep"];
    // ONNX Runtime refuses outputs that are inputs, so the copies are compared with what they copy.
    const inlined = modelOf([leaky, twice], (graph, x) => {
      for (const name of ["p", "q", "r"]) graph.output(name);
      graph.node("Twice", [x], { steep: { float: 2 } }, { ...call, name: "g", outputs: ["p", "q", "r"] });
    });
    inlineFunctions(inlined, "m.onnx");
    const found = await runModel(inlined, "disabled", BATCH);
    assert.deepEqual([...found.get("q")!], [...BATCH.x.data]);
    assert.deepEqual(found.get("r"), found.get("p"));
    const expected = BATCH.x.data.map((value) => {
      const once = Math.tanh(value < 0 ? value * 0.25 : value);
      return Math.tanh(once < 0 ? once * 2 : once);
    });
    found.get("p")!.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) < 1e-6);
    });
  });

  test("bodies of control flow inside read the function's tensors and attributes", async () => {
    const choosing = localFunction(
      "Choosing",
      { input: ["a", "c"], output: ["b"], attribute: ["slope"] },
      (body) => {
        const branch = (opType: string): GraphBuilder => {
          const graph = new GraphBuilder(opType);
          graph.node(opType, ["a"], {}, { name: "n", outputs: ["t"] });
          if (opType === "LeakyRelu") refer(graph, "alpha", "slope", AttributeType.FLOAT);
          graph.node("Add", ["t", "outside"], {}, { name: "m", outputs: ["r"] });
          graph.output("r", DataType.FLOAT, ["N", 3, 4]);
          return graph;
        };
        body.node("Exp", ["a"], {}, { outputs: ["outside"] });
        const branches = {
          then_branch: { graph: branch("LeakyRelu").graph },
          else_branch: { graph: branch("Neg").graph },
        };
        body.node("If", ["c"], branches, { name: "if", outputs: ["b"] });
      },
    );
    await requireSame(
      modelOf([choosing], (graph, x) => {
        graph.initializer(makeTensor("yes", DataType.BOOL, [], Uint8Array.of(1)));
        graph.initializer(makeTensor("no", DataType.BOOL, [], Uint8Array.of(0)));
        graph.output(
          graph.node("Choosing", [x, "yes"], { slope: { float: 3 } }, { ...call, outputs: ["t"] }),
        );
        graph.output(
          graph.node("Choosing", ["t", "no"], { slope: { float: 3 } }, { ...call, outputs: ["y"] }),
        );
      }),
    );
  });

  test("of an old operator set are lifted with the graph", async () => {
    const flat = localFunction("Flat", { input: ["a"], output: ["b"], opset: 12 }, (body) => {
      body.node("Softmax", ["a"], { axis: 1 }, { name: "b", outputs: ["b"] });
    });
    const lifted = await requireSame(
      modelOf([flat], (graph, x) => graph.output(graph.node("Flat", [x], {}, call)), {
        opset: 12,
        irVersion: 8,
      }),
    );
    assert.ok(lifted.graph.node.some(({ opType }) => opType === "Flatten"));
  });

  test("are read in the graph's operator set, regardless of their imports, as in ONNX Runtime", async () => {
    for (const [own, graphs] of [
      [12, 18],
      [18, 12],
    ] as const) {
      const flat = localFunction("Flat", { input: ["a"], output: ["b"], opset: own }, (body) => {
        body.node("Softmax", ["a"], { axis: 1 }, { outputs: ["b"] });
      });
      const fill = (graph: GraphBuilder, x: string) => graph.output(graph.node("Flat", [x], {}, call));
      await requireSame(modelOf([flat], fill, { opset: graphs }));
      const importing = modelOf([flat], fill, { irVersion: 10 });
      importing.opsetImport = importing.opsetImport.filter(({ domain }) => domain !== "");
      await requireSame(importing);
    }
  });

  test("do not replace an op that ONNX Runtime has", async () => {
    const shadow = localFunction("Relu", { input: ["a"], output: ["b"] }, (body) => {
      body.node("Exp", ["a"], {}, { outputs: ["b"] });
    });
    shadow.domain = "";
    const model = modelOf([shadow], (graph, x) =>
      graph.output(graph.node("Relu", [x], {}, { outputs: ["y"] })),
    );
    inlineFunctions(model, "m.onnx");
    const found = await runModel(model, "disabled", BATCH);
    assert.deepEqual(
      [...found.get("y")!],
      [...BATCH.x.data].map((value) => Math.max(0, value)),
    );
  });

  test("that call themselves are refused", () => {
    const round = localFunction("Round", { input: ["a"], output: ["b"] }, (body) => {
      body.node("Round", ["a"], {}, { ...call, outputs: ["b"] });
    });
    const model = modelOf([round], (graph, x) => graph.output(graph.node("Round", [x], {}, call)));
    assert.throws(
      () => inlineFunctions(model, "m.onnx"),
      new ModelError('m.onnx has a local function "Round" that calls itself; export the model without it.'),
    );
  });

  test("that expand to too many nodes are refused before anything is copied", () => {
    const functions = Array.from({ length: 40 }, (_, i) =>
      localFunction(`F${i}`, { input: ["a"], output: ["b"] }, (body) => {
        const inner = i === 0 ? "Neg" : `F${i - 1}`;
        const domain = i === 0 ? {} : call;
        body.node(inner, [body.node(inner, ["a"], {}, domain)], {}, { ...domain, outputs: ["b"] });
      }),
    );
    const model = modelOf(functions, (graph, x) => graph.output(graph.node("F39", [x], {}, call)));
    assert.throws(() => inlineFunctions(model, "m.onnx"), /more than the 1000000 that are taken/);
  });
});
