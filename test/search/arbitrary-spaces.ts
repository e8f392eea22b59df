import fc from "fast-check";
import type { Parameter, Space } from "../../shared/search/space/space.js";

/** Spaces whose conditions go from any parameter to any later one, of the same group or another. */
export const arbitrarySpaces: fc.Arbitrary<Space> = fc
  .array(
    fc.record({
      group: fc.nat(3),
      ordinal: fc.boolean(),
      choices: fc.integer({ min: 1, max: 4 }),
      isOfFamily: fc.boolean(),
      above: fc.option(fc.record({ parameter: fc.nat(), choices: fc.nat(15) }), { nil: undefined }),
    }),
    { minLength: 2, maxLength: 9 },
  )
  .map((shapes) => {
    const space: Parameter[] = [];
    for (const [d, { group, ordinal, choices, isOfFamily, above }] of shapes.entries()) {
      const parent = d === 0 || above === undefined ? undefined : space[above.parameter % d];
      space.push({
        name: `p${d}`,
        group: `group${group}`,
        kind: ordinal ? "ordinal" : "categorical",
        choices: Array.from({ length: choices }, (_, code) => code),
        // A family shares its choices.
        ...(isOfFamily ? { family: `of ${choices}` } : {}),
        ...(parent === undefined
          ? {}
          : {
              when: {
                parameter: parent.name,
                in: parent.choices.filter((code) => (above!.choices >> Number(code)) % 2 === 1),
              },
            }),
      });
    }
    return space;
  });
