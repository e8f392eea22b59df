import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { paretoFront } from "../../../shared/search/numerics/pareto.js";
import { createRandomSampler } from "../../../shared/search/samplers/random-sampler.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import { configurationKey } from "../../../shared/search/space/configuration-key.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import type { FinishedTrial, Sampler } from "../../../shared/search/trials/sampler.js";
import { flatSpace, layeredSpace } from "../spaces.js";

const LAYERS = 12;
const switches = flatSpace(LAYERS, 2);
const allQuantized: Configuration = Object.fromEntries(switches.map(({ name }) => [name, 1]));

type Judge = (configuration: Configuration) => {
  readonly values: readonly number[];
  readonly violation: number;
};

function run(sampler: Sampler, trials: number, judge: Judge, first = 0): FinishedTrial[] {
  const finished: FinishedTrial[] = [];
  for (let number = first; number < first + trials; number++) {
    const configuration = sampler.ask(number);
    assert.ok(configuration !== undefined);
    sampler.started(number, configuration);
    const trial = { number, configuration, state: "complete" as const, samples: 1, ...judge(configuration) };
    sampler.tell(trial);
    finished.push(trial);
  }
  return finished;
}

/** Each quantized layer saves time; layers 2 and 7 lose much accuracy. */
const twoSensitiveLayers: Judge = (configuration) => {
  const quantized = switches.filter(({ name }) => configuration[name] === 1).length;
  const loss = 3 * Number(configuration.layer2) + 5 * Number(configuration.layer7) + 0.02 * quantized;
  return { values: [1 - quantized / LAYERS], violation: Math.max(0, loss - 1) };
};

describe("the TPE sampler", () => {
  test("finds the fastest feasible switches from a good base within 40 trials", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const sampler = createTpeSampler(switches, { seed, base: allQuantized, maxTrials: 40 });
      sampler.tell({
        number: 1,
        configuration: allQuantized,
        state: "complete",
        samples: 1,
        ...twoSensitiveLayers(allQuantized),
      });
      const finished = run(sampler, 38, twoSensitiveLayers, 2);
      const best = Math.min(
        ...finished.filter(({ violation }) => violation === 0).map(({ values }) => values[0]!),
      );
      assert.ok(Math.abs(best - 2 / LAYERS) < 1e-9, `seed ${seed}: ${best}`);
    }
  });

  test("beats random search on a conditional space with interactions", () => {
    const space = layeredSpace(10);
    const judge: Judge = (configuration) => {
      let value = 0;
      for (let layer = 0; layer < 10; layer++) {
        const quantized = configuration[`layer${layer}.quantize`] === true;
        value += quantized ? 0 : 0.3 + 0.1 * layer;
        value += configuration[`layer${layer}.estimator`] === "max" ? 0.2 : 0;
        value += configuration[`layer${layer}.outlier`] === 1e-3 ? 0.3 : 0;
        const next = configuration[`layer${layer + 1}.mode`];
        value += quantized && next !== undefined && configuration[`layer${layer}.mode`] !== next ? 0.4 : 0;
      }
      return { values: [value], violation: 0 };
    };
    const best = (sampler: Sampler) => Math.min(...run(sampler, 80, judge).map(({ values }) => values[0]!));
    for (const seed of [1, 2, 3]) {
      const tpe = best(createTpeSampler(space, { seed }));
      const random = best(createRandomSampler(space, { seed }));
      assert.ok(tpe < 0.5 * random, `seed ${seed}: ${tpe} against ${random}`);
    }
  });

  test("64 asks at once differ from each other, over 640 trials", () => {
    const space = flatSpace(20, 3);
    const sampler = createTpeSampler(space, { seed: 1 });
    const seen = new Set<string>();
    for (let first = 0; first < 640; first += 64) {
      const batch = Array.from({ length: 64 }, (_, i) => {
        const configuration = sampler.ask(first + i);
        assert.ok(configuration !== undefined);
        sampler.started(first + i, configuration);
        seen.add(configurationKey(configuration));
        return configuration;
      });
      for (const [i, configuration] of batch.entries()) {
        const value = Object.values(configuration).reduce<number>((sum, choice) => sum + Number(choice), 0);
        sampler.tell({
          number: first + i,
          configuration,
          state: "complete",
          values: [value],
          violation: 0,
          samples: 1,
        });
      }
    }
    assert.equal(seen.size, 640);
  });

  test("proposes the same whether a refit was prepared over many asks or done at once", () => {
    const space = flatSpace(15, 3);
    const judge: Judge = (configuration) => {
      const loss = Object.values(configuration).reduce<number>((sum, choice) => sum + Number(choice), 0);
      return { values: [30 - loss], violation: Math.max(0, loss - 20) };
    };
    const grown = createTpeSampler(space, { seed: 3 });
    const finished: FinishedTrial[] = [];
    // Refits of 256, 320 and 384 trials are prepared during the run, and another one is in progress at the
    // end.
    for (const [stop, compared] of [
      [330, true],
      [383, false],
      [384, true],
      [420, true],
    ] as const) {
      finished.push(...run(grown, stop - finished.length, judge, finished.length));
      if (compared) {
        const fresh = createTpeSampler(space, { seed: 3 });
        for (const trial of finished.toReversed()) {
          fresh.tell(trial);
        }
        assert.deepEqual(fresh.ask(stop), grown.ask(stop), `after ${stop}`);
      }
    }
  });

  test("spreads along the Pareto front of two objectives", () => {
    const judge: Judge = (configuration) => {
      const quantized = switches.filter(({ name }) => configuration[name] === 1);
      const loss = quantized.reduce((sum, { name }) => sum + 0.1 * (1 + Number(name.slice(5))), 0);
      return { values: [loss, LAYERS - quantized.length], violation: 0 };
    };
    const finished = run(createTpeSampler(switches, { seed: 1 }), 80, judge);
    const front = paretoFront(finished.map(({ values }) => values));
    // The true front quantizes the least sensitive layers first: one point for each number of quantized
    // layers.
    const ideal = new Set(
      Array.from({ length: LAYERS + 1 }, (_, count) => `${(0.1 * count * (count + 1)) / 2} ${count}`),
    );
    const found = front.filter((i) => {
      const [loss, float] = finished[i]!.values;
      return [...ideal].some((point) => {
        const [idealLoss, count] = point.split(" ").map(Number);
        return LAYERS - float! === count && Math.abs(loss! - idealLoss!) < 1e-9;
      });
    });
    assert.ok(
      new Set(found.map((i) => finished[i]!.values[1])).size >= 6,
      `${found.length} of ${ideal.size}`,
    );
  });
});

describe("from an infeasible base", () => {
  const tellBase = (sampler: Sampler, judge: Judge, configuration: Configuration): void => {
    sampler.tell({ number: 1, configuration, state: "complete", samples: 1, ...judge(configuration) });
  };

  test("known sensitivities lead to a feasible configuration without toggling each group alone", () => {
    const sensitivity = Object.fromEntries(
      switches.map(({ name }, i) => [name, i === 2 || i === 7 ? 9 : 0.1 * i]),
    );
    const sampler = createTpeSampler(switches, { seed: 1, base: allQuantized, maxTrials: 60, sensitivity });
    tellBase(sampler, twoSensitiveLayers, allQuantized);
    const [, second] = run(sampler, 2, twoSensitiveLayers, 2);
    assert.equal(second!.violation, 0);
    assert.deepEqual(
      switches.filter(({ name }) => second!.configuration[name] !== 1).map(({ name }) => name),
      ["layer2", "layer7"],
    );
  });

  test("among configurations of the smallest size the search goes on to improve accuracy", () => {
    const space = layeredSpace(6);
    const base: Configuration = Object.fromEntries(
      Array.from({ length: 6 }, (_, layer) => [
        [`layer${layer}.quantize`, true],
        [`layer${layer}.mode`, "symmetric"],
        [`layer${layer}.estimator`, "max"],
      ]).flat(),
    );
    // The size is that of the switches alone; modes and estimators decide the accuracy, which is always
    // within the bound.
    const lossOf = (configuration: Configuration): number =>
      Array.from({ length: 6 }, (_, layer) => {
        const mode = configuration[`layer${layer}.mode`] === "asymmetric" ? -0.1 : 0;
        return mode + (configuration[`layer${layer}.estimator`] === "mean" ? -0.1 : 0);
      }).reduce((sum, loss) => sum + loss, 0);
    const judge = (configuration: Configuration) => ({
      values: [Object.values(configuration).filter((choice) => choice === false).length],
      violation: 0,
      accuracyLoss: lossOf(configuration),
    });
    for (const seed of [1, 2, 3]) {
      const sampler = createTpeSampler(space, { seed, base, maxTrials: 60, startAroundBase: "off" });
      tellBase(sampler, judge, base);
      const best = run(sampler, 59, judge, 2).filter(({ values }) => values[0] === 0);
      const least = Math.min(...best.map(({ configuration }) => lossOf(configuration)));
      assert.ok(least < -1.05, `seed ${seed}: ${least} of -1.2`);
    }
  });
});

describe("toggles of each group alone", () => {
  const changed = (configuration: Configuration) =>
    switches.filter(({ name }) => configuration[name] !== allQuantized[name]).map(({ name }) => name);

  test("toggles one group per trial, independently", () => {
    const sampler = createTpeSampler(switches, { seed: 1, base: allQuantized });
    const groups = Array.from({ length: LAYERS }, (_, i) => {
      const configuration = sampler.ask(2 + i)!;
      sampler.started(2 + i, configuration);
      return changed(configuration);
    });
    assert.deepEqual(new Set(groups.flat()), new Set(switches.map(({ name }) => name)));
    assert.ok(groups.every((names) => names.length === 1));
  });

  test("are left out where they would take more than a fifth of the trials, and with startAroundBase off", () => {
    const singles = (options: { maxTrials: number; startAroundBase?: "off" }) => {
      const sampler = createTpeSampler(switches, { seed: 1, base: allQuantized, ...options });
      const names: string[] = [];
      for (let i = 0; i < 4; i++) {
        const configuration = sampler.ask(2 + i)!;
        sampler.started(2 + i, configuration);
        names.push(changed(configuration).join());
      }
      return names;
    };
    const singleToggles = ["layer0", "layer1", "layer2"];
    assert.deepEqual(singles({ maxTrials: 5 * LAYERS }).slice(0, 3), singleToggles);
    assert.notDeepEqual(singles({ maxTrials: 5 * LAYERS - 1 }).slice(0, 3), singleToggles);
    assert.notDeepEqual(
      singles({ maxTrials: 5 * LAYERS, startAroundBase: "off" }).slice(0, 3),
      singleToggles,
    );
  });
});
