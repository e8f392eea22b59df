import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FamilyDescent } from "../../../shared/search/samplers/family-moves.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import { encodeConfiguration, encodeSpace } from "../../../shared/search/space/encoding.js";
import type { Choice, Configuration, Parameter } from "../../../shared/search/space/space.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";

const GROUPS = 8;

/** A mode per group, and a parameter that is active only in the second mode. */
const space: Parameter[] = Array.from({ length: GROUPS }, (_, g) => [
  { name: `${g}/mode`, group: `${g}`, family: "mode", kind: "categorical" as const, choices: ["a", "b"] },
  {
    name: `${g}/b/preset`,
    group: `${g}`,
    family: "b/preset",
    kind: "categorical" as const,
    choices: ["plain", "cut"],
    when: { parameter: `${g}/mode`, in: ["b"] },
  },
]).flat();

const base: Configuration = Object.fromEntries(
  space.filter(({ when }) => !when).map(({ name }) => [name, "a"]),
);

function everywhere(mode: Choice, preset?: Choice): Configuration {
  return Object.fromEntries(
    space.flatMap(({ name, when }): [string, Choice][] => {
      if (when === undefined) return [[name, mode]];
      return preset === undefined ? [] : [[name, preset]];
    }),
  );
}

function ledgerOf(...trials: readonly (readonly [Configuration, number])[]): TrialLedger {
  const ledger = new TrialLedger(encodeSpace(space));
  for (const [number, [configuration, value]] of trials.entries()) {
    ledger.tell({ number, configuration, state: "complete", values: [value], violation: 0, samples: 1 });
  }
  return ledger;
}

describe("the descent by families", () => {
  const encoded = encodeSpace(space);
  const codes = (configuration: Configuration) => encodeConfiguration(encoded, configuration);
  const descend = (ledger: TrialLedger) => {
    const { center, untried } = new FamilyDescent(ledger, codes(base)).state();
    return { center: center.codes, untried: untried.map((neighbour) => neighbour.codes) };
  };

  test("moves one family in all groups; parameters that become active take their first choice", () => {
    const { center, untried } = descend(ledgerOf([base, 1]));
    assert.deepEqual(center, codes(base));
    assert.deepEqual(untried, [codes(everywhere("b", "plain"))]);
  });

  test("moves a parameter of the whole model by itself", () => {
    const whole = { name: "smooth", group: "smooth", family: "smooth" };
    const asked: Parameter[] = [{ ...whole, kind: "categorical", choices: [true, false] }, ...space];
    const ledger = new TrialLedger(encodeSpace(asked));
    const start = { smooth: true, ...base };
    const { untried } = new FamilyDescent(ledger, encodeConfiguration(encodeSpace(asked), start)).state();
    const codesOf = (configuration: Configuration) => encodeConfiguration(encodeSpace(asked), configuration);
    assert.deepEqual(
      untried.map((neighbour) => neighbour.codes),
      [codesOf({ ...start, smooth: false }), codesOf({ smooth: true, ...everywhere("b", "plain") })],
    );
  });

  test("continues from the best configuration", () => {
    const ledger = ledgerOf([base, 1], [everywhere("b", "plain"), 0.5]);
    const { center, untried } = descend(ledger);
    assert.deepEqual(center, codes(everywhere("b", "plain")));
    assert.deepEqual(untried, [codes(everywhere("b", "cut"))]);
  });

  test("stays where no family helps", () => {
    const { center, untried } = descend(ledgerOf([base, 1], [everywhere("b", "plain"), 2]));
    assert.deepEqual(center, codes(base));
    assert.deepEqual(untried, []);
  });
});

test("a change that helps only in all groups at once is found within the first asks", () => {
  const sampler = createTpeSampler(space, { seed: 1, base, maxTrials: 60 });
  // Only when all groups cut is anything gained, so no search group by group finds it.
  const value = (configuration: Configuration): number =>
    Object.values(configuration).filter((choice) => choice === "cut").length === GROUPS ? 0 : 1;
  const graded = (configuration: Configuration): number =>
    value(configuration) - 0.01 * Object.values(configuration).filter((choice) => choice === "b").length;
  sampler.tell({
    number: 1,
    configuration: base,
    state: "complete",
    values: [graded(base)],
    violation: 0,
    samples: 1,
  });
  let best = Number.POSITIVE_INFINITY;
  for (let number = 2; number < 6; number++) {
    const configuration = sampler.ask(number)!;
    sampler.started(number, configuration);
    best = Math.min(best, graded(configuration));
    const values = [graded(configuration)];
    sampler.tell({ number, configuration, state: "complete", values, violation: 0, samples: 1 });
  }
  assert.ok(best < 0, `${best}`);
});
