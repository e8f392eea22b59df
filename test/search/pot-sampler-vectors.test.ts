import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createJointDensity, logJointDensity } from "../../shared/search/kernels/density.js";
import { createKernels } from "../../shared/search/kernels/kernels.js";
import { improvementWeights } from "../../shared/search/kernels/trial-weights.js";
import { DEFAULT_TPE_SETTINGS } from "../../shared/search/samplers/tpe-settings.js";
import { encodeSpace } from "../../shared/search/space/encoding.js";
import { flatSpace } from "./spaces.js";

/** POT's sampler differs from the one here; these cases compare the two on POT's own examples. */
describe("POT's sampler and this one, on two small examples", () => {
  const encoded = encodeSpace(flatSpace(1, 2));
  const { mismatchLimit, changesPerDraw } = DEFAULT_TPE_SETTINGS;
  const kernels = createKernels(encoded, Math.min(mismatchLimit, changesPerDraw / encoded.size));

  /** Probabilities of the two choices after these observations. */
  const here = (observed: readonly number[]): number[] => {
    const members = observed.map((code) => Int16Array.of(code));
    const density = createJointDensity(kernels, members, new Float64Array(members.length).fill(1), 1);
    return [0, 1].map((code) => Math.exp(logJointDensity(density, Int16Array.of(code))));
  };
  const pot = (observed: readonly number[]): number[] =>
    [0, 1].map((code) => (observed.filter((seen) => seen === code).length + 0.5) / (observed.length + 1));
  const scores = (good: readonly number[], bad: readonly number[]): number[] =>
    good.map((probability, code) => Math.log(probability / bad[code]!));

  test("an observation of one choice also raises the other choice, by the kernel's mismatch", () => {
    const good = [1];
    const bad = [...Array<number>(6).fill(0), ...Array<number>(4).fill(1)];
    assertClose(pot(good), [0.25, 0.75]);
    assertClose(pot(bad), [0.590909, 0.409091]);
    assertClose(scores(pot(good), pot(bad)), [-0.8602, 0.6061], 1e-4);
    // POT counts; here a kernel with b = 0.3 gives 0.7 to its centre's choice, and the prior is one more
    // component.
    assertClose(here(good), [(0.3 + 0.5) / 2, (0.7 + 0.5) / 2]);
    assertClose(here(bad), [(6 * 0.7 + 4 * 0.3 + 0.5) / 11, (6 * 0.3 + 4 * 0.7 + 0.5) / 11]);
    // Both prefer the good choice; with a single parameter the kernel is at its widest, so its preference is
    // weaker.
    assertClose(scores(here(good), here(bad)), [-0.293348, 0.257829], 1e-6);
  });

  test("trials are weighted by their improvement, not by their age as in POT", () => {
    const count = 30;
    const forgetting = Array.from({ length: count }, (_, age) =>
      age < count - 25 ? 1 / count + (age / (count - 25 - 1)) * (1 - 1 / count) : 1,
    );
    assertClose(forgetting.slice(0, 5), [0.0333, 0.275, 0.5167, 0.7583, 1], 1e-4);
    assertClose(forgetting.slice(5), Array<number>(25).fill(1));
    const entry = (number: number, value: number) => ({
      number,
      codes: Int16Array.of(0),
      trial: {
        number,
        configuration: {},
        values: [value],
        violation: 0,
        state: "complete",
        samples: 1,
      } as const,
    });
    const weightsOf = (numbers: readonly number[]): number[] =>
      Array.from(
        improvementWeights(
          numbers.map((number, rank) => entry(number, rank)),
          entry(count, count),
        ),
      );
    const oldestFirst = [...Array(count).keys()];
    const improvements = oldestFirst.map((rank) => count - rank);
    assert.deepEqual(weightsOf(oldestFirst), improvements);
    assert.deepEqual(weightsOf(oldestFirst.toReversed()), improvements);
  });
});

function assertClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-6): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries())
    assert.ok(Math.abs(value - expected[i]!) <= tolerance, `${actual.join()} is not ${expected.join()}`);
}
