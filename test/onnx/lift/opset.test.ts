import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ModelError } from "../../../shared/basics/errors.js";
import { GraphIndex } from "../../../shared/onnx/graph/graph-index.js";
import { type LiftTarget, liftOpset } from "../../../shared/onnx/lift/opset.js";
import { decodeModel, encodeModel, opsetVersion } from "../../../shared/onnx/model/codec.js";
import { runModel } from "../../end-to-end/steps/quantizing.js";
import { buildModel, type GraphBuilder } from "../../fixtures/models/model-builder.js";
import { oldOperatorSets } from "../../fixtures/models/old-operator-sets.js";
import { RandomValues } from "../../fixtures/models/random-values.js";
import { recentOperatorSets } from "../../fixtures/models/recent-operator-sets.js";

const TARGET = 13;

function batch() {
  const random = new RandomValues(3);
  const data = Float32Array.from({ length: 2 * 4 * 6 * 6 }, () => random.normal());
  return { x: { type: "float32", dims: [2, 4, 6, 6], data } } as const;
}

function refused(opset: number, fill: (graph: GraphBuilder) => void, target: LiftTarget = TARGET): string {
  const model = buildModel(fill, { opset, irVersion: 3 });
  let message = "";
  assert.throws(
    () => liftOpset(model, target, "m.onnx"),
    (error: unknown) => {
      assert.ok(error instanceof ModelError);
      message = error.message;
      return true;
    },
  );
  return message;
}

describe("lifting an operator set", () => {
  for (const [target, fixtures, slack] of [
    [13, oldOperatorSets, 0],
    // ONNX Runtime's AveragePool of set 19 sums in another order.
    [21, [...oldOperatorSets, ...recentOperatorSets], 2e-7],
  ] as const) {
    for (const { name, build } of fixtures) {
      test(`${name} computes the same in set ${target}`, async () => {
        const lifted = decodeModel(encodeModel(build()), name);
        liftOpset(lifted, target, name);
        assert.equal(opsetVersion(lifted), target);
        const before = await runModel(build(), "disabled", batch());
        const after = await runModel(lifted, "disabled", batch());
        assert.deepEqual([...after.keys()], [...before.keys()]);
        for (const [output, values] of before) {
          assert.ok(
            values.every((value, i) => Math.abs(after.get(output)![i]! - value) <= slack * Math.abs(value)),
          );
        }
      });
    }
  }

  test("raises the IR version to that of the operator set, and never lowers it", () => {
    const [old] = oldOperatorSets;
    const lifted = old!.build();
    liftOpset(lifted, TARGET, "m.onnx");
    assert.equal(lifted.irVersion, 7n);
    const newer = old!.build();
    newer.irVersion = 9n;
    liftOpset(newer, TARGET, "m.onnx");
    assert.equal(newer.irVersion, 9n);
    const newest = old!.build();
    liftOpset(newest, 21, "m.onnx");
    assert.equal(newest.irVersion, 10n);
  });

  test("leaves a model of the target set or a newer one unchanged", () => {
    for (const opset of [13, 17, 22]) {
      const model = buildModel((graph) => graph.output(graph.node("Clip", [graph.input("x", [2])])), {
        opset,
      });
      const before = encodeModel(model);
      liftOpset(model, TARGET, "m.onnx");
      assert.deepEqual(encodeModel(model), before);
    }
  });

  test("gives every constant a unique name, in nested graphs too", () => {
    const nested = oldOperatorSets.find(({ name }) => name.includes("branches of an If"))!.build();
    nested.graph.input.push(...buildModel((graph) => graph.input("lifted_constant", [1])).graph.input);
    liftOpset(nested, TARGET, "m.onnx");
    const bodies = nested.graph.node.flatMap(({ attribute }) =>
      attribute.flatMap(({ g }) => (g === undefined ? [] : [g])),
    );
    const names = [nested.graph, ...bodies].flatMap(({ initializer }) => initializer.map(({ name }) => name));
    assert.equal(new Set(names).size, names.length);
    assert.ok(!names.includes("lifted_constant"));
    for (const name of names) assert.ok(new GraphIndex(nested.graph).names.has(name));
  });

  test("keeps the versions of other domains", () => {
    const model = buildModel((graph) => graph.output(graph.input("x", [1])), {
      opset: 9,
      domains: { "com.microsoft": 1 },
    });
    liftOpset(model, TARGET, "m.onnx");
    assert.deepEqual(
      model.opsetImport.map(({ domain, version }) => [domain, version]),
      [
        ["com.microsoft", 1n],
        ["", 13n],
      ],
    );
  });

  test("refuses sets that are too old", () => {
    assert.equal(
      refused(6, (graph) => graph.output(graph.input("x", [1]))),
      "m.onnx uses operator set 6, quantizing needs 13, and sets before 7 cannot be lifted; export the model with opset_version=13 or newer.",
    );
  });

  test("refuses a BatchNormalization over pixels", () => {
    const message = refused(7, (graph) => {
      const x = graph.input("x", ["N", 1, 1, 2]);
      const parts = ["a", "b", "c", "d"].map((name) => graph.random(name, [1, 1, 2]));
      graph.node("BatchNormalization", [x, ...parts], { spatial: 0 }, { name: "bn" });
    });
    assert.match(message, /and BatchNormalization "bn" has a mean for each pixel; export the model with/);
  });

  test("refuses a Scan of set 8", () => {
    const message = refused(8, (graph) => {
      graph.node("Scan", ["", graph.input("x", [1])], {}, { name: "scan" });
    });
    assert.match(message, /and node "scan" is a Scan, whose form changed; export the model with/);
  });

  test("refuses a nearest Resize with computed scales, or with scales both above and below 1", () => {
    const withScales = (scales: (graph: GraphBuilder) => string) =>
      refused(10, (graph) => {
        graph.node("Resize", [graph.input("x", [1, 4]), scales(graph)], {}, { name: "resize" });
      });
    assert.match(
      withScales((graph) => graph.input("scales", [2])),
      /and Resize "resize" has computed scales; export the model with/,
    );
    assert.match(
      withScales((graph) => graph.floats("scales", [2], [2, 0.5])),
      /and Resize "resize" makes one axis longer and another shorter; export the model with/,
    );
  });
  for (const [opType, opset, reason] of [
    ["DFT", 17, 'node "changed" is a DFT, whose form changed'],
    ["GroupNormalization", 18, 'node "changed" is a GroupNormalization with a scale a group'],
  ] as const) {
    test(`refuses a ${opType} on the way to set 21, and leaves it unchanged on the way to 13`, () => {
      const fill = (graph: GraphBuilder) => {
        graph.node(opType, [graph.input("x", [1])], {}, { name: "changed" });
      };
      assert.equal(
        refused(opset, fill, 21),
        `m.onnx uses operator set ${opset}, quantizing needs 21, and ${reason}; export the model with opset_version=21 or newer.`,
      );
      liftOpset(buildModel(fill, { opset }), TARGET, "m.onnx");
    });
  }
});

describe("several imports of the default operator set", () => {
  for (const [domains, versions] of [
    [
      ["", "ai.onnx"],
      [17, 8],
    ],
    [
      ["ai.onnx", ""],
      [8, 17],
    ],
    [
      ["", ""],
      [8, 17],
    ],
    [
      ["", ""],
      [17, 8],
    ],
  ] as const) {
    test(`count by the last, as for ONNX Runtime: ${JSON.stringify([domains, versions])}`, async () => {
      // The axes of a Squeeze are an attribute below set 13, an input from there on.
      const isOld = versions[1] < TARGET;
      const model = buildModel((graph) => {
        const x = graph.input("x", [2, 1, 4]);
        const squeezed = isOld
          ? graph.node("Squeeze", [x], { axes: [1] })
          : graph.node("Squeeze", [x, graph.ints("axes", [1])]);
        graph.output(squeezed);
      });
      const [{ $typeName }] = model.opsetImport as [(typeof model.opsetImport)[number]];
      model.opsetImport = domains.map((domain, position) => ({
        $typeName,
        domain,
        version: BigInt(versions[position]!),
      }));
      const values = Float32Array.from({ length: 8 }, (_, index) => index);
      const feed = { x: { type: "float32", dims: [2, 1, 4], data: values } } as const;
      const before = await runModel(model, "disabled", feed);
      assert.equal(opsetVersion(model), versions[1]);
      liftOpset(model, TARGET, "m.onnx");
      assert.deepEqual(await runModel(model, "disabled", feed), before);
    });
  }
});
