import fc from "fast-check";
import type { Parameter, Space } from "../../shared/search/space/space.js";

/** Random spaces in which any parameter may be conditional on any earlier one, also of another group. */
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
        // Parameters of one family have the same choices.
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
