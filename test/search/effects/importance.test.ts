import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parameterImportance } from "../../../shared/search/effects/importance.js";
import { createRandomSampler } from "../../../shared/search/samplers/random-sampler.js";
import type { FinishedTrial } from "../../../shared/search/trials/sampler.js";
import { flatSpace } from "../spaces.js";

describe("importance", () => {
  const space = flatSpace(8, 3);
  const sampler = createRandomSampler(space, { seed: 1 });
  const trials: FinishedTrial[] = Array.from({ length: 120 }, (_, number) => {
    const configuration = sampler.ask(number)!;
    sampler.started(number, configuration);
    // Layer 2 has effects of -1, 0 and 1, layer 5 half of them, the others none.
    const value = Number(configuration.layer2) - 1 + 0.5 * (Number(configuration.layer5) - 1);
    return { number, configuration, state: "complete", values: [value], violation: 0, samples: 1 };
  });
  const importance = parameterImportance(space, trials, ({ values }) => values[0]!);

  test("shares follow the explained variance", () => {
    const share = (name: string) => importance.find((row) => row.name === name)!.share;
    assert.ok(Math.abs(share("layer2") - 0.8) < 0.08, `${share("layer2")}`);
    assert.ok(Math.abs(share("layer5") - 0.2) < 0.08, `${share("layer5")}`);
    assert.ok(importance.every(({ name, share: s }) => name === "layer2" || name === "layer5" || s < 0.02));
    assert.ok(Math.abs(importance.reduce((sum, row) => sum + row.share, 0) - 1) < 1e-9);
  });

  test("effects are in the outcome's units", () => {
    for (const [code, effect] of importance[2]!.effects.entries()) {
      assert.ok(Math.abs(effect - (code - 1)) < 0.1, `${effect}`);
    }
  });

  test("every share is 0 without trials", () => {
    assert.ok(parameterImportance(space, [], () => 0).every(({ share }) => share === 0));
  });
});
