import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { decodeModel, encodeModel } from "../../../shared/onnx/model/codec.js";
import { encodedBytes } from "../../../shared/onnx/model/encoded-size.js";
import { DEMO } from "../../end-to-end/steps/demo-configuration.js";
import { readyFixture } from "../../end-to-end/steps/quantizing.js";
import { betweenConvolutions } from "../../fixtures/models/between-convolutions.js";
import { buildModel } from "../../fixtures/models/model-builder.js";
import { nestedStructures } from "../../fixtures/models/nested-structures.js";
import { structures } from "../../fixtures/models/structures.js";

describe("The bytes that a model encodes to", () => {
  test("are those of a model from a file", async () => {
    const bytes = await readFile(join(DEMO, "model.onnx"));
    assert.equal(encodedBytes(decodeModel(bytes, "demo")), bytes.byteLength);
  });

  for (const { name, build } of [...betweenConvolutions, ...structures, ...nestedStructures]) {
    test(`are those of ${name}`, () => {
      const model = build();
      assert.equal(encodedBytes(model), encodeModel(model).byteLength);
    });
  }

  for (const fixture of structures) {
    test(`are those of ${fixture.name}, quantized`, async () => {
      const { quantizer, subject } = await readyFixture(fixture);
      const { model } = quantizer.quantize(subject.space.base);
      assert.equal(encodedBytes(model), encodeModel(model).byteLength);
    });
  }

  for (const size of [0, 1, 31, 32, 4000, 4096, 524_280, 600_000]) {
    test(`are those of a model with ${size} weights`, () => {
      const model = buildModel((graph) => {
        const x = graph.input("x", ["N", size]);
        graph.output(graph.node("Add", [x, graph.random("w", [size])]));
      });
      assert.equal(encodedBytes(model), encodeModel(model).byteLength);
    });
  }
});
