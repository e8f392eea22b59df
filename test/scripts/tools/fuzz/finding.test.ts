import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findDefect } from "../../../../scripts/tools/fuzz/finding.js";
import type { Problem } from "../../../../scripts/tools/fuzz/inputs/fuzz-input.js";

function defect(message: string, { name = "ModelError", how = "thrown" as Problem["how"], code = 2 } = {}) {
  return findDefect({ code, problems: [{ name, message, how }] });
}

describe("A defect", () => {
  test("is no error with place and remedy, nor an end without one", () => {
    assert.equal(defect("model.onnx is empty; give the path of an ONNX model."), undefined);
    assert.equal(defect("engine.batch_size is 0, but must be a whole number from 1 to 4096."), undefined);
    for (const code of [0, 3]) assert.equal(findDefect({ code, problems: [] }), undefined);
  });

  test("is an error of another class, thrown or logged", () => {
    assert.match(defect("x is 1; y.", { name: "TypeError" })!, /class TypeError was thrown/);
    assert.match(defect("x", { name: "ZodError", how: "reported", code: 0 })!, /class ZodError was reported/);
  });

  test("is a text of the language's making, also as the reason of a trial's failure", () => {
    const text = "Cannot read properties of undefined (reading 'x')";
    assert.match(defect(text, { name: "RunError", how: "reported", code: 0 })!, /own making/);
    assert.match(defect("Maximum call stack size exceeded", { name: "RunError", code: 1 })!, /own making/);
  });

  test("is an error with several lines or sentences, or without place or remedy", () => {
    assert.match(defect("model.onnx is wrong;\nmend it.")!, /more than one line/);
    assert.match(defect("model.onnx is wrong. Mend it; or else.")!, /more than one sentence/);
    assert.match(defect("it is wrong; mend it.")!, /no place/);
    assert.match(defect("model.onnx is wrong.")!, /no remedy/);
    assert.match(defect(`model.onnx is ${"x".repeat(6_000)}; mend it.`)!, /6\d{3} characters/);
  });

  test("is no sentence that is quoted", () => {
    assert.equal(defect('model.name is "One. Two", but must be one; mend it.'), undefined);
  });

  test("is an exit code that is none of the program's", () => {
    assert.match(findDefect({ code: 13, problems: [] })!, /exit code is 13/);
  });
});
