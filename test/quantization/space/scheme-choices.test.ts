import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Scheme } from "../../../shared/quantization/device/hardware.js";
import { chosenScheme, schemeParameters } from "../../../shared/quantization/space/scheme-choices.js";
import type { Configuration, Parameter } from "../../../shared/search/space/space.js";

fc.configureGlobal({ seed: 13, numRuns: 500 });

const scheme = (
  bits: Scheme["bits"],
  mode: Scheme["mode"],
  granularity: Scheme["granularity"] = "pertensor",
): Scheme => ({ bits, mode, granularity });

function names(schemes: readonly Scheme[]): unknown[] {
  return schemeParameters("t", schemes, undefined).map(({ name, choices, when }) =>
    when === undefined ? [name, choices] : [name, choices, when.parameter, when.in],
  );
}

describe("The parameters of a tensor's schemes", () => {
  test("are one per field where every combination exists", () => {
    const all = ([8, 4] as const).flatMap((bits) =>
      (["symmetric", "asymmetric"] as const).map((mode) => scheme(bits, mode)),
    );
    assert.deepEqual(names(all), [
      ["t/mode", ["symmetric", "asymmetric"]],
      ["t/bits", [8, 4]],
    ]);
  });

  test("are one where one field determines another: VPU's 8-bit activations are asymmetric, 4-bit ones symmetric", () => {
    assert.deepEqual(names([scheme(8, "asymmetric"), scheme(4, "symmetric")]), [
      ["t/mode", ["asymmetric", "symmetric"]],
    ]);
  });

  test("are conditional where widths differ between modes: VPU's weights", () => {
    const weights = [
      scheme(8, "symmetric"),
      scheme(4, "symmetric"),
      scheme(2, "symmetric"),
      scheme(8, "asymmetric"),
    ];
    assert.deepEqual(names(weights), [
      ["t/mode", ["symmetric", "asymmetric"]],
      ["t/symmetric/bits", [8, 4, 2], "t/mode", ["symmetric"]],
    ]);
  });

  test("are all subject to the given condition", () => {
    const when = { parameter: "g/quantize", in: [true] };
    assert.deepEqual(schemeParameters("t", [scheme(8, "symmetric"), scheme(4, "symmetric")], when), [
      { name: "t/bits", choices: [8, 4], when },
    ]);
  });
});

const anySchemes = fc
  .uniqueArray(
    fc.record({
      bits: fc.constantFrom(2, 4, 8, 16),
      mode: fc.constantFrom("symmetric", "asymmetric"),
      granularity: fc.constantFrom("pertensor", "perchannel"),
    }),
    { minLength: 1, selector: (each) => JSON.stringify(each) },
  )
  .map((schemes) => schemes as Scheme[]);

/** All assignments of the active parameters. */
function configurations(
  parameters: readonly Pick<Parameter, "name" | "choices" | "when">[],
): Configuration[] {
  return parameters.reduce<Configuration[]>(
    (all, { name, choices, when }) =>
      all.flatMap((configuration) =>
        when === undefined || when.in.includes(configuration[when.parameter] ?? "")
          ? choices.map((choice) => ({ ...configuration, [name]: choice }))
          : [configuration],
      ),
    [{}],
  );
}

describe("For any list of schemes", () => {
  test("each scheme is chosen by exactly one configuration", () => {
    fc.assert(
      fc.property(anySchemes, (schemes) => {
        const chosen = configurations(schemeParameters("t", schemes, undefined)).map((configuration) =>
          chosenScheme("t", schemes, configuration),
        );
        assert.equal(chosen.length, schemes.length);
        assert.deepEqual(new Set(chosen), new Set(schemes));
      }),
    );
  });

  test("the empty configuration chooses the first scheme", () => {
    fc.assert(fc.property(anySchemes, (schemes) => assert.equal(chosenScheme("t", schemes, {}), schemes[0])));
  });
});
