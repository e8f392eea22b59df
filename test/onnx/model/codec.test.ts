import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ModelError } from "../../../shared/basics/errors.js";
import { decodeModel, encodeModel, opsetVersion } from "../../../shared/onnx/model/codec.js";
import { betweenConvolutions } from "../../fixtures/models/between-convolutions.js";
import { convolutions } from "../../fixtures/models/convolutions.js";
import { buildModel, makeModel } from "../../fixtures/models/model-builder.js";
import { nestedStructures } from "../../fixtures/models/nested-structures.js";
import { products } from "../../fixtures/models/products.js";
import { structures } from "../../fixtures/models/structures.js";

const model = () =>
  buildModel((graph) => {
    graph.output(graph.conv(graph.input("x", ["N", 3, 8, 8]), [4, 3, 3, 3]));
  });

function refusal(message: string | RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof ModelError);
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
    return true;
  };
}

describe("codec", () => {
  test("an unedited model encodes to the same bytes", () => {
    for (const { build } of [
      ...convolutions,
      ...products,
      ...betweenConvolutions,
      ...structures,
      ...nestedStructures,
    ]) {
      const bytes = encodeModel(build());
      assert.deepEqual(encodeModel(decodeModel(bytes, "m.onnx")), bytes);
    }
  });

  test("unknown fields are kept, in the model and in its nodes", () => {
    // Field 4000 of wire type 2, "kept": what a later ONNX may add.
    const unknown = Buffer.of(0x82, 0xfa, 0x01, 4, ...Buffer.from("kept"));
    const bytes = Buffer.concat([encodeModel(model()), unknown]);
    const decoded = decodeModel(bytes, "m.onnx");
    assert.deepEqual(Buffer.from(encodeModel(decoded)), bytes);
    decoded.producerName = "somebody else";
    assert.ok(Buffer.from(encodeModel(decoded)).includes(unknown));
  });

  test("raw tensor data are views of the bytes, not copies", () => {
    const bytes = encodeModel(model());
    const [weight] = decodeModel(bytes, "m.onnx").graph.initializer;
    assert.equal(weight!.rawData.buffer, bytes.buffer);
  });

  test("an empty file is refused", () => {
    assert.throws(
      () => decodeModel(new Uint8Array(0), "m.onnx"),
      refusal("m.onnx is empty; give the path of an ONNX model."),
    );
  });

  test("bytes that are not protobuf are refused", () => {
    assert.throws(
      () => decodeModel(Uint8Array.of(0x0f, 0xff, 0xff), "m.onnx"),
      refusal(
        "m.onnx is not an ONNX model (its 3 bytes do not parse as protobuf); give the path of an .onnx file.",
      ),
    );
  });

  test("a message without graph, IR version or operator set is refused", () => {
    const message =
      "m.onnx is not an ONNX model (it has no graph, IR version or operator set); give the path of an .onnx file.";
    const withoutVersion = model();
    withoutVersion.irVersion = 0n;
    const withoutSets = model();
    withoutSets.opsetImport = [];
    for (const spoiled of [withoutVersion, withoutSets]) {
      assert.throws(() => decodeModel(encodeModel(spoiled), "m.onnx"), refusal(message));
    }
    assert.throws(() => decodeModel(Uint8Array.of(0x08, 0x07), "m.onnx"), refusal(message));
  });

  test("a truncated model is either decoded or refused", () => {
    const bytes = encodeModel(model());
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        try {
          decodeModel(bytes.slice(0, length), "m.onnx");
        } catch (error) {
          refusal(/^m\.onnx is (empty|not an ONNX model)/)(error);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("a model with flipped bytes is either decoded or refused", () => {
    const bytes = encodeModel(model());
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1 }), (flips) => {
        const spoiled = bytes.slice();
        for (const [at, value] of flips) spoiled[at] = value;
        try {
          decodeModel(spoiled, "m.onnx");
        } catch (error) {
          refusal(/^m\.onnx(?: is not an ONNX model|: tensor ")/)(error);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("the default operator set's version is found under either name of its domain", () => {
    assert.equal(opsetVersion(makeModel(model().graph, { opset: 15 })), 15);
    const named = model();
    named.opsetImport[0]!.domain = "ai.onnx";
    assert.equal(opsetVersion(named), 17);
    named.opsetImport[0]!.domain = "ai.onnx.ml";
    assert.equal(opsetVersion(named), 0);
  });
});
