import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../../../shared/basics/errors.js";
import { createKernels, drawProductKernel } from "../../../shared/search/kernels/kernels.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { configurationKey } from "../../../shared/search/space/configuration-key.js";
import {
  codesKey,
  countConfigurations,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
  repairActivity,
} from "../../../shared/search/space/encoding.js";
import { parseSpace } from "../../../shared/search/space/space-document.js";
import { arbitrarySpaces } from "../arbitrary-spaces.js";
import { flatSpace, layeredSpace } from "../spaces.js";

describe("encoding", () => {
  test("a conditional space is counted, enumerated, encoded and decoded without loss", () => {
    const encoded = encodeSpace(layeredSpace(2));
    // Per layer: float, or 2 modes times (2 estimators without and one with 3 outlier levels).
    const perLayer = 1 + 2 * (2 + 3);
    assert.equal(countConfigurations(encoded), perLayer ** 2);
    const all = [...enumerateConfigurations(encoded)];
    assert.equal(new Set(all.map(codesKey)).size, perLayer ** 2);
    for (const codes of all) {
      const configuration = decodeConfiguration(encoded, codes);
      assert.deepEqual(encodeConfiguration(encoded, configuration), codes);
    }
    assert.equal(
      new Set(all.map((codes) => configurationKey(decodeConfiguration(encoded, codes)))).size,
      all.length,
    );
  });

  test("a count beyond the range of a double is Infinity", () => {
    assert.equal(countConfigurations(encodeSpace(flatSpace(2000, 4))), Number.POSITIVE_INFINITY);
  });

  const encoded = encodeSpace(layeredSpace(1));
  const faulty: [string, Record<string, string | boolean | number>, RegExp][] = [
    ["a missing value", {}, /layer0\.quantize.*has no value/],
    ["an unknown value", { "layer0.quantize": "yes" }, /"yes"/],
    ["an unknown name", { "layer0.quantize": false, other: 1 }, /configuration\.other/],
    [
      "a value that does not exist here",
      { "layer0.quantize": false, "layer0.mode": "symmetric" },
      /layer0\.mode.*does not exist/,
    ],
  ];
  for (const [title, configuration, message] of faulty) {
    test(`refuses ${title}`, () => {
      assert.throws(
        () => encodeConfiguration(encoded, configuration),
        (error: unknown) => error instanceof ConfigurationError && message.test(error.message),
      );
    });
  }
});

test('a configuration\'s key does not depend on the order of its names, and tells 1 from "1"', () => {
  assert.equal(configurationKey({ a: 1, b: true }), configurationKey({ b: true, a: 1 }));
  assert.notEqual(configurationKey({ a: 1 }), configurationKey({ a: "1" }));
});

describe("a space document", () => {
  test("is parsed unchanged", () => {
    const space = layeredSpace(3);
    assert.deepEqual(parseSpace(JSON.parse(JSON.stringify(space))), space);
  });

  const parameter = { name: "a", group: "g", kind: "categorical", choices: [0, 1] };
  const faulty: [string, unknown, RegExp][] = [
    ["no list", {}, /space/],
    ["an unknown kind", [{ ...parameter, kind: "float" }], /space\.0\.kind/],
    ["no choices", [{ ...parameter, choices: [] }], /space\.0\.choices/],
    ["a stray key", [{ ...parameter, default: 0 }], /default/],
    ["a name twice", [parameter, parameter], /listed twice/],
    ["a choice twice", [{ ...parameter, choices: [1, 1] }], /choice twice/],
    ["an unknown parent", [{ ...parameter, when: { parameter: "b", in: [1] } }], /"b"/],
    [
      "an unknown choice of the parent",
      [parameter, { ...parameter, name: "b", when: { parameter: "a", in: [2] } }],
      /no choice 2/,
    ],
  ];
  for (const [title, document, message] of faulty) {
    test(`is refused with ${title}`, () => {
      assert.throws(
        () => parseSpace(document),
        (error: unknown) => error instanceof ConfigurationError && message.test(error.message),
      );
    });
  }
});

test("repairing only what depends on changed parameters gives the same as repairing all of them", () => {
  fc.assert(
    fc.property(arbitrarySpaces, fc.nat(), fc.nat(511), (space, seed, chosen) => {
      const encoded = encodeSpace(space);
      const random = createRandomStream(seed, 0, "problem");
      const prior = createKernels(encoded, 0.5);
      const [codes, from] = [
        drawProductKernel(prior, undefined, random),
        drawProductKernel(prior, undefined, random),
      ];
      const changed = [...codes.keys()].filter((d) => (chosen >> d) % 2 === 1);
      for (const d of changed) codes[d] = from[d]!;
      assert.deepEqual(repairActivity(encoded, codes.slice(), changed), repairActivity(encoded, codes));
    }),
    { seed: 33, numRuns: 500 },
  );
});
