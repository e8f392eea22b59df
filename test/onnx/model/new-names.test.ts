import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NewNames } from "../../../shared/onnx/model/new-names.js";

test("a name is used as wanted, and numbered where it is taken", () => {
  const names = new NewNames(new Set(["x_scale"]));
  assert.equal(names.name("y"), "y");
  assert.equal(names.name("y"), "y/1");
  assert.equal(names.name("x_scale"), "x_scale/1");
});

test("a prefix is unused with each of its endings", () => {
  const names = new NewNames(new Set(["x_scale"]));
  assert.equal(names.prefix("x", ["_codes", "_scale"]), "x/1");
  assert.equal(names.prefix("x", ["_codes"]), "x");
  assert.equal(names.prefix("x/1", ["_scale"]), "x/1/1");
});

test("no name is given twice, and none that is taken", () => {
  const word = fc.constantFrom("a", "a/1", "a/s", "a_1", "a/1/s", "b");
  const request = fc.record({
    wanted: word,
    endings: fc.option(fc.subarray(["/s", "_1"], { minLength: 1 })),
  });
  fc.assert(
    fc.property(fc.array(word), fc.array(request), (taken: string[], requests) => {
      const names = new NewNames(new Set(taken));
      const given = requests.flatMap(({ wanted, endings }) => {
        if (endings === null) return [names.name(wanted)];
        const prefix = names.prefix(wanted, endings);
        return endings.map((ending) => `${prefix}${ending}`);
      });
      assert.equal(new Set(given).size, given.length);
      for (const name of given) assert.ok(!taken.includes(name));
    }),
    { seed: 1 },
  );
});
