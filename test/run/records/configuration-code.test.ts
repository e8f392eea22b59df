import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { packConfiguration, unpackConfiguration } from "../../../shared/run/records/configuration-code.js";
import {
  decodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
} from "../../../shared/search/space/encoding.js";
import type { Space } from "../../../shared/search/space/space.js";
import { toyBase, toyFloat, toySpace } from "../toy-model.js";

fc.configureGlobal({ seed: 40 });

describe("packed configurations", () => {
  test("are unique and reversible for every configuration of a conditional space", () => {
    const space = encodeSpace(toySpace(3));
    const packed = new Set<string>();
    let count = 0;
    for (const codes of enumerateConfigurations(space)) {
      const configuration = decodeConfiguration(space, codes);
      const text = packConfiguration(space, configuration);
      assert.deepEqual(unpackConfiguration(space, text), configuration);
      packed.add(text);
      count++;
    }
    // Texts have different lengths, so they are equal only if their bits are.
    assert.equal(count, 7 ** 3);
    assert.equal(packed.size, count);
  });

  test("support any number of choices, including one", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc
            .tuple(fc.integer({ min: 1, max: 300 }), fc.nat(299))
            .map(([count, pick]) => [count, pick % count] as const),
          { maxLength: 12 },
        ),
        (parameters) => {
          const space: Space = parameters.map(([count], i) => ({
            name: `p${i}`,
            group: "g",
            kind: "ordinal",
            choices: [...Array(count).keys()],
          }));
          const encoded = encodeSpace(space);
          const configuration = Object.fromEntries(parameters.map(([, pick], i) => [`p${i}`, pick]));
          assert.deepEqual(
            unpackConfiguration(encoded, packConfiguration(encoded, configuration)),
            configuration,
          );
        },
      ),
    );
  });

  test("need a fraction of the length of the names", () => {
    const space = toySpace(200);
    const packed = packConfiguration(encodeSpace(space), toyBase(space));
    assert.equal(packed.length, Math.ceil((Math.ceil((200 * 4) / 8) * 4) / 3));
  });

  test("refuse texts that do not fit the space", () => {
    const space = encodeSpace(toySpace(4));
    const packed = packConfiguration(space, toyFloat(space.space));
    assert.throws(() => unpackConfiguration(space, ""), RangeError);
    assert.throws(() => unpackConfiguration(space, `${packed}AAAA`), RangeError);
    // Quantized, symmetric, and the fourth of three outlier choices.
    assert.throws(
      () => unpackConfiguration(encodeSpace(toySpace(1)), Buffer.of(0b1100).toString("base64url")),
      RangeError,
    );
  });
});
