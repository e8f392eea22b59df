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

test("parameters of the same name keep their values, and new ones take their defaults", () => {
  assert.deepEqual(adoptConfiguration(space, defaults, { "a/mode": "asymmetric" }), {
    "a/quantize": true,
    "a/mode": "asymmetric",
  });
});

test("inactive parameters are left out", () => {
  assert.deepEqual(adoptConfiguration(space, defaults, { "a/quantize": false, "a/mode": "asymmetric" }), {
    "a/quantize": false,
  });
});

test("a value that is not among the choices gives undefined", () => {
  assert.equal(adoptConfiguration(space, defaults, { "a/mode": "unified" }), undefined);
});
