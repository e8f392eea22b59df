import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SensitivityBisection } from "../../../shared/search/samplers/sensitivity-bisection.js";
import {
  codesKey,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "../../../shared/search/space/encoding.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";
import { layeredSpace } from "../spaces.js";

/** Accuracy loss of each layer when quantized, and the bound on their sum. */
interface Layers {
  readonly losses: readonly number[];
  readonly bound: number;
}

/** The base configuration: every layer quantized. */
function baseOf(layers: number): Configuration {
  return Object.fromEntries(
    Array.from({ length: layers }, (_, layer) => [
      [`layer${layer}.quantize`, true],
      [`layer${layer}.mode`, "asymmetric"],
      [`layer${layer}.estimator`, "mean"],
    ]).flat(),
  );
}

/** Runs the bisection to its end. Returns the layers in float of each proposal, in order. */
function ask({ losses, bound }: Layers, sensitivity: readonly number[]) {
  const encoded = encodeSpace(layeredSpace(losses.length));
  const ledger = new TrialLedger(encoded);
  const base = encodeConfiguration(encoded, baseOf(losses.length));
  const named = Object.fromEntries(sensitivity.map((value, layer) => [`layer${layer}`, value]));
  const bisection = new SensitivityBisection(encoded, base, named);
  const asked: { readonly inFloat: readonly number[]; readonly feasible: boolean }[] = [];
  for (let number = 1; ; number++) {
    const codes = number === 1 ? base : bisection.next(ledger);
    if (codes === undefined) return asked;
    assert.ok(!ledger.has(codesKey(codes)), "asked twice");
    const configuration = decodeConfiguration(encoded, codes);
    const inFloat = losses.flatMap((_, layer) =>
      configuration[`layer${layer}.quantize`] === true ? [] : [layer],
    );
    const loss = losses.reduce((sum, each, layer) => sum + (inFloat.includes(layer) ? 0 : each), 0);
    const violation = Math.max(0, loss - bound);
    ledger.tell({
      number,
      configuration,
      state: "complete",
      values: [inFloat.length],
      violation,
      samples: 1,
    });
    asked.push({ inFloat, feasible: violation === 0 });
  }
}

describe("Bisection by sensitivity", () => {
  test("doubles the groups in float until the bound is met, bisects, then quantizes those not needed again", () => {
    // Layers 0, 1 and 4 lose accuracy; 2 and 3 have a high sensitivity but lose none.
    const losses = [4, 3, 0, 0, 3, 0.1, 0.1, 0.1, 0.1];
    const asked = ask({ losses, bound: 1 }, [9, 8, 7, 6, 5, 0, 0, 0, 0]).map(({ inFloat }) =>
      inFloat.join(""),
    );
    assert.deepEqual(asked, [
      "",
      "0",
      "01",
      "0123",
      "01234567",
      "012345",
      "01234",
      "0124",
      "014",
      "04",
      "14",
    ]);
  });

  test("restores the base's other choices in groups that are quantized again", () => {
    const encoded = encodeSpace(layeredSpace(3));
    const ledger = new TrialLedger(encoded);
    const base = encodeConfiguration(encoded, baseOf(3));
    const bisection = new SensitivityBisection(encoded, base, { layer0: 2, layer1: 1, layer2: 0 });
    const tell = (number: number, configuration: Configuration, violation: number): void => {
      ledger.tell({ number, configuration, state: "complete", values: [0], violation, samples: 1 });
    };
    tell(1, baseOf(3), 3);
    tell(2, decodeConfiguration(encoded, bisection.next(ledger)!), 2);
    tell(3, decodeConfiguration(encoded, bisection.next(ledger)!), 0);
    const { "layer1.quantize": _, "layer1.mode": __, "layer1.estimator": ___, ...rest } = baseOf(3);
    assert.deepEqual(decodeConfiguration(encoded, bisection.next(ledger)!), {
      ...rest,
      "layer1.quantize": false,
    });
  });

  test("ends within 2 log2(groups) + groups trials, with a minimal set of groups in float", () => {
    const layers = fc.integer({ min: 2, max: 24 }).chain((count) =>
      fc.record({
        losses: fc.array(fc.nat(20), { minLength: count, maxLength: count }),
        sensitivity: fc.array(fc.nat(20), { minLength: count, maxLength: count }),
        bound: fc.integer({ min: 0, max: 40 }),
      }),
    );
    fc.assert(
      fc.property(layers, ({ losses, sensitivity, bound }) => {
        const total = losses.reduce((sum, loss) => sum + loss, 0);
        fc.pre(total > bound);
        const asked = ask({ losses, bound }, sensitivity);
        const feasible = asked.filter((trial) => trial.feasible).map(({ inFloat }) => inFloat);
        const steps = 2 * Math.ceil(Math.log2(losses.length)) + 1;
        if (feasible.length === 0) {
          assert.ok(asked.length <= steps);
          return;
        }
        const least = feasible.reduce((a, b) => (b.length < a.length ? b : a));
        assert.ok(asked.length <= steps + losses.length);
        for (const layer of least) {
          const without =
            total - least.reduce((sum, other) => sum + (other === layer ? 0 : losses[other]!), 0);
          assert.ok(without > bound, `layer ${layer} of ${least} was not needed`);
        }
      }),
      { seed: 7 },
    );
  });

  test("waits for running trials, and proposes nothing without sensitivities", () => {
    const encoded = encodeSpace(layeredSpace(2));
    const ledger = new TrialLedger(encoded);
    const base = encodeConfiguration(encoded, baseOf(2));
    ledger.tell({
      number: 1,
      configuration: baseOf(2),
      state: "complete",
      values: [0],
      violation: 1,
      samples: 1,
    });
    assert.equal(new SensitivityBisection(encoded, base, {}).next(ledger), undefined);
    const bisection = new SensitivityBisection(encoded, base, { layer0: 1, layer1: 0 });
    ledger.started(2, decodeConfiguration(encoded, bisection.next(ledger)!));
    assert.equal(bisection.next(ledger), undefined);
  });
});
