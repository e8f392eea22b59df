import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createKernels, drawProductKernel } from "../../shared/search/kernels/kernels.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";
import { configurationKey } from "../../shared/search/space/configuration-key.js";
import {
  countConfigurations,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
} from "../../shared/search/space/encoding.js";
import type { Configuration, Space } from "../../shared/search/space/space.js";
import type { FinishedTrial, Sampler } from "../../shared/search/trials/sampler.js";
import { arbitrarySpaces } from "./arbitrary-spaces.js";
import { flatSpace, layeredSpace } from "./spaces.js";

export type SamplerFactory = (space: Space, base: Configuration, seed: number) => Sampler;

const LAYERS = 6;
const BOUND = 0.5;
const space = layeredSpace(LAYERS);
const base: Configuration = Object.fromEntries(
  Array.from({ length: LAYERS }, (_, layer) => [
    [`layer${layer}.quantize`, true],
    [`layer${layer}.mode`, "symmetric"],
    [`layer${layer}.estimator`, "max"],
  ]).flat(),
);

/** A deterministic result of a configuration; some trials are infeasible, pruned or failed. */
function resultOf(number: number, configuration: Configuration): FinishedTrial {
  const stream = createRandomStream(configurationKey(configuration).length, number, "noise");
  const quantized = Object.values(configuration).filter((choice) => choice === true).length;
  const accuracyLoss = quantized - 4 + BOUND + stream.normal();
  const violation = Math.max(0, accuracyLoss - BOUND);
  const draw = stream.uniform();
  if (draw < 0.05) {
    return { number, configuration, state: "failed", values: [], violation: 0, samples: 0 };
  }
  const values = [1 - 0.1 * quantized + 0.02 * stream.normal()];
  return draw < 0.2
    ? { number, configuration, state: "pruned", values, violation, accuracyLoss, samples: 64 }
    : { number, configuration, state: "complete", values, violation, accuracyLoss, samples: 1000 };
}

/** Asks and tells trials one at a time. */
function study(sampler: Sampler, trials: number): FinishedTrial[] {
  return Array.from({ length: trials }, (_, number) => {
    const configuration = sampler.ask(number);
    assert.ok(configuration !== undefined);
    sampler.started(number, configuration);
    const trial = resultOf(number, configuration);
    sampler.tell(trial);
    return trial;
  });
}

/** Tells an infeasible base, then asks and tells; value and accuracy loss are sums over choices. */
function assertAsksMembers(create: SamplerFactory, among: Space, seed: number): void {
  const encoded = encodeSpace(among);
  const random = createRandomStream(seed, 0, "problem");
  const start = decodeConfiguration(
    encoded,
    drawProductKernel(createKernels(encoded, 0.5), undefined, random),
  );
  const drawTable = () => among.map(({ choices }) => choices.map(() => random.uniform()));
  const [costs, losses] = [drawTable(), drawTable()];
  const sum = (table: readonly number[][], configuration: Configuration) =>
    among.reduce((total, { name }, d) => total + (table[d]![Number(configuration[name])] ?? 0), 0);
  const bound = sum(losses, start) - random.uniform();
  const sampler = create(among, start, seed);
  let configuration: Configuration | undefined = start;
  for (let number = 1; configuration !== undefined && number <= 40; number++) {
    // Throws unless the configuration belongs to the space.
    encodeConfiguration(encoded, configuration);
    sampler.started(number, configuration);
    const accuracyLoss = sum(losses, configuration);
    const violation = Math.max(0, accuracyLoss - bound);
    const values = [sum(costs, configuration)];
    sampler.tell({ number, configuration, state: "complete", values, violation, accuracyLoss, samples: 1 });
    configuration = sampler.ask(number + 1);
    assert.ok(configuration !== undefined || number >= Math.min(40, countConfigurations(encoded)));
  }
}

/** Conformance suite of the `Sampler` interface (shared/search/trials/sampler.ts). */
export function describeSampler(name: string, create: SamplerFactory): void {
  describe(`${name} conforms to the sampler interface`, () => {
    test("proposes only members of the space", () => {
      const encoded = encodeSpace(space);
      for (const { configuration } of study(create(space, base, 1), 40)) {
        encodeConfiguration(encoded, configuration);
      }
    });

    test("proposes only members of spaces with arbitrary conditions", () => {
      fc.assert(
        fc.property(arbitrarySpaces, fc.nat(1000), (among, seed) => assertAsksMembers(create, among, seed)),
        { seed: 7, numRuns: 60 },
      );
    });

    test("proposes the same trials with the same seed", () => {
      const asked = (seed: number) =>
        study(create(space, base, seed), 40).map(({ configuration }) => configuration);
      assert.deepEqual(asked(3), asked(3));
    });

    test("proposes the same next trial in whatever order results are told, also when told twice", () => {
      const finished = study(create(space, base, 1), 60);
      const mapConcurrently = create(space, base, 1);
      const shuffled = create(space, base, 1);
      for (const trial of finished) {
        mapConcurrently.tell(trial);
      }
      const random = createRandomStream(1, 0, "problem");
      const order = finished.map((trial) => ({ trial, key: random.uniform() })).sort((a, b) => a.key - b.key);
      for (const [position, { trial }] of order.entries()) {
        shuffled.started(trial.number, trial.configuration);
        shuffled.tell(trial);
        shuffled.tell(trial);
        if (position % 10 === 0) {
          // Asks in between must not change later proposals.
          shuffled.ask(1000 + position);
        }
      }
      for (const next of [60, 61, 75]) {
        assert.deepEqual(shuffled.ask(next), mapConcurrently.ask(next));
      }
    });

    test("never proposes a finished or running configuration, with 16 running at once", () => {
      const sampler = create(space, base, 2);
      const seen = new Set<string>();
      const running: [number, Configuration][] = [];
      for (let number = 0; number < 160; number++) {
        const configuration = sampler.ask(number);
        assert.ok(configuration !== undefined);
        const key = configurationKey(configuration);
        assert.ok(!seen.has(key), `trial ${number} repeats ${key}`);
        seen.add(key);
        sampler.started(number, configuration);
        running.push([number, configuration]);
        if (running.length === 16) {
          // Results arrive out of order, the latest trial first.
          const [ended, its] = running.pop()!;
          sampler.tell(resultOf(ended, its));
          const [oldest, oldestConfiguration] = running.shift()!;
          sampler.tell(resultOf(oldest, oldestConfiguration));
        }
      }
    });

    test("proposes every configuration of a small space, then undefined", () => {
      const small = flatSpace(3, 3);
      const sampler = create(small, { layer0: 0, layer1: 0, layer2: 0 }, 1);
      const seen = new Set<string>();
      for (let number = 0; number < 27; number++) {
        const configuration = sampler.ask(number);
        assert.ok(configuration !== undefined);
        seen.add(configurationKey(configuration));
        sampler.started(number, configuration);
        if (number % 2 === 0) {
          sampler.tell({
            number,
            configuration,
            state: "complete",
            values: [number % 7],
            violation: 0,
            samples: 1,
          });
        }
      }
      assert.equal(seen.size, 27);
      assert.equal(sampler.ask(27), undefined);
    });

    test("keeps proposing when every trial failed", () => {
      const sampler = create(space, base, 1);
      for (let number = 0; number < 30; number++) {
        const configuration = sampler.ask(number);
        assert.ok(configuration !== undefined);
        sampler.tell({ number, configuration, state: "failed", values: [], violation: 0, samples: 0 });
      }
    });
  });
}
