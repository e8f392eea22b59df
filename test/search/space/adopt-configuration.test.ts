import assert from "node:assert/strict";
import { test } from "node:test";
import { adoptConfiguration } from "../../../shared/search/space/adopt-configuration.js";
import type { Space } from "../../../shared/search/space/space.js";

const space: Space = [
  { name: "a/quantize", group: "a", kind: "categorical", choices: [true, false] },
  {
    name: "a/mode",
    group: "a",
    kind: "categorical",
    choices: ["symmetric", "asymmetric"],
    when: { parameter: "a/quantize", in: [true] },
  },
];
const defaults = { "a/quantize": true, "a/mode": "symmetric" };

test("parameters of one name keep their values, and what is new takes its default", () => {
  assert.deepEqual(adoptConfiguration(space, defaults, { "a/mode": "asymmetric" }), {
    "a/quantize": true,
    "a/mode": "asymmetric",
  });
});

test("what does not exist under a choice is left out", () => {
  assert.deepEqual(adoptConfiguration(space, defaults, { "a/quantize": false, "a/mode": "asymmetric" }), {
    "a/quantize": false,
  });
});

test("a value that is none of the choices is not adopted", () => {
  assert.equal(adoptConfiguration(space, defaults, { "a/mode": "unified" }), undefined);
});
