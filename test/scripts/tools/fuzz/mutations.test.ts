import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  BYTES_MUTATIONS,
  mutateBytes,
  mutateBytesSomehow,
} from "../../../../scripts/tools/fuzz/inputs/bytes-mutation.js";
import {
  JSON_MUTATIONS,
  type Json,
  mutateJson,
  mutateJsonSomehow,
  pathsOf,
  valueAt,
  withValueAt,
} from "../../../../scripts/tools/fuzz/inputs/json-mutation.js";
import {
  MODEL_MUTATIONS,
  mutateModel,
  mutateModelSomehow,
} from "../../../../scripts/tools/fuzz/inputs/model-mutation.js";
import { mutateText, TEXT_MUTATIONS } from "../../../../scripts/tools/fuzz/inputs/text-mutation.js";
import { encodeModel } from "../../../../shared/onnx/model/codec.js";
import { createRandomStream } from "../../../../shared/search/numerics/random.js";
import { smallNet } from "../../../quantization/small-net.js";

const DRAWS = 60;
const random = (number: number) => createRandomStream(3, number, "problem");
const numbers = Array.from({ length: DRAWS }, (_, number) => number);

const BYTES = Buffer.from(Array.from({ length: 200 }, (_, i) => i));
const DOCUMENT: Json = { a: [1, 2, { b: "text", c: null }], d: { e: true, f: 0.5 }, g: [] };
const TEXT = JSON.stringify(DOCUMENT, null, 2);

/** Each way of changing things, by the name of what it changes. */
const WAYS: Readonly<
  Record<string, { names: readonly string[]; change: (name: string, n: number) => string }>
> = {
  bytes: {
    names: BYTES_MUTATIONS,
    change: (name, n) => mutateBytes(BYTES, random(n), name).toString("hex"),
  },
  json: {
    names: JSON_MUTATIONS,
    change: (name, n) => JSON.stringify(mutateJson(DOCUMENT, random(n), name)),
  },
  text: { names: TEXT_MUTATIONS, change: (name, n) => mutateText(TEXT, random(n), name).toString("hex") },
  model: {
    names: MODEL_MUTATIONS,
    change: (name, n) => Buffer.from(encodeModel(mutateModel(smallNet(), random(n), name))).toString("hex"),
  },
};

const SOUND: Readonly<Record<string, string>> = {
  bytes: BYTES.toString("hex"),
  json: JSON.stringify(DOCUMENT),
  text: Buffer.from(TEXT).toString("hex"),
  model: Buffer.from(encodeModel(smallNet())).toString("hex"),
};

describe("Ways of changing", () => {
  for (const [what, { names, change }] of Object.entries(WAYS))
    for (const name of names)
      test(`${what}, ${name}: changes something, and the same again with the same chance`, () => {
        const changed = numbers.map((number) => change(name, number));
        assert.deepEqual(
          changed.slice(0, 5),
          numbers.slice(0, 5).map((number) => change(name, number)),
        );
        assert.ok(changed.some((each) => each !== SOUND[what]));
      });

  test("leave what they change as it was", () => {
    const [bytes, document, model] = [Buffer.from(BYTES), structuredClone(DOCUMENT), smallNet()];
    for (const number of numbers) {
      mutateBytesSomehow(bytes, random(number));
      mutateJsonSomehow(document, random(number));
      mutateModelSomehow(model, random(number));
    }
    assert.ok(bytes.equals(BYTES));
    assert.deepEqual(document, DOCUMENT);
    assert.equal(Buffer.from(encodeModel(model)).toString("hex"), SOUND.model);
  });

  test("work on what is empty", () => {
    for (const number of numbers) {
      mutateBytesSomehow(Buffer.alloc(0), random(number));
      mutateJsonSomehow({}, random(number));
      for (const name of TEXT_MUTATIONS) mutateText("", random(number), name);
    }
  });
});

describe("Places in a document", () => {
  test("are those of all values, the whole included", () => {
    assert.deepEqual(
      pathsOf({ a: [1, { b: 2 }] }).map((path) => path.join("/")),
      ["", "a", "a/0", "a/1", "a/1/b"],
    );
  });

  test("hold what is put there, and nothing where it is taken away", () => {
    const document = { a: [1, { b: 2 }], c: 3 };
    assert.equal(valueAt(document, ["a", 1, "b"]), 2);
    assert.deepEqual(withValueAt(document, ["a", 1, "b"], "x"), { a: [1, { b: "x" }], c: 3 });
    assert.deepEqual(withValueAt(document, ["a", 0], undefined), { a: [{ b: 2 }], c: 3 });
    assert.deepEqual(withValueAt(document, ["c"], undefined), { a: [1, { b: 2 }] });
    assert.equal(withValueAt(document, [], undefined), null);
  });
});
