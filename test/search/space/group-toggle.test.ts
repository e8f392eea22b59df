import assert from "node:assert/strict";
import { test } from "node:test";
import { createGreedyLayerSampler } from "../../../shared/search/samplers/greedy-layer-sampler.js";
import { encodeConfiguration, encodeSpace } from "../../../shared/search/space/encoding.js";
import { groupToggles, restoreGroup, toggleParameter } from "../../../shared/search/space/group-toggle.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { flatSpace, layeredSpace } from "../spaces.js";

test("a group's switch is its unconditional parameter", () => {
  const [float, ...rest] = layeredSpace(1);
  const reordered = [float!, ...rest];
  assert.deepEqual(encodeSpace(reordered).groups, [{ name: "layer0", switch: 0, members: [0, 1, 2, 3] }]);
});

test("toggling a switch activates its children with their first choice, or deactivates them", () => {
  const encoded = encodeSpace(layeredSpace(1));
  const float = encodeConfiguration(encoded, { "layer0.quantize": false });
  const quantized = toggleParameter(encoded, float, 0);
  assert.deepEqual([...quantized], [0, 0, 0, -1]);
  assert.deepEqual(toggleParameter(encoded, quantized, 0), float);
});

test("group toggles are sorted by descending sensitivity, groups without a score last", () => {
  const encoded = encodeSpace(flatSpace(4, 2));
  const base = encodeConfiguration(encoded, { layer0: 1, layer1: 1, layer2: 1, layer3: 1 });
  const toggles = groupToggles(encoded, base, { layer3: 2, layer1: -1 });
  assert.deepEqual(
    toggles.map(({ group, codes }) => `${group.name} ${codes.join("")}`),
    ["layer3 1110", "layer1 1011", "layer0 0111", "layer2 1101"],
  );
});

test("restoring a group restores all of its parameters and no others", () => {
  const encoded = encodeSpace(layeredSpace(2));
  const from = encodeConfiguration(encoded, {
    "layer0.quantize": true,
    "layer0.mode": "asymmetric",
    "layer0.estimator": "quantile",
    "layer0.outlier": 1e-4,
    "layer1.quantize": false,
  });
  const other = encodeConfiguration(encoded, { "layer0.quantize": false, "layer1.quantize": false });
  assert.deepEqual(restoreGroup(encoded, other, encoded.groups[0]!, from), from);
});

test("restoring a group respects the conditions that its parameters have in other groups", () => {
  const encoded = encodeSpace([
    { name: "a", group: "a", kind: "categorical", choices: [0, 1] },
    { name: "b", group: "b", kind: "categorical", choices: [0, 1] },
    { name: "b.m", group: "b", kind: "categorical", choices: [0, 1], when: { parameter: "a", in: [1] } },
  ]);
  const [groupA, groupB] = encoded.groups;
  const without = encodeConfiguration(encoded, { a: 0, b: 0 });
  const withMode = encodeConfiguration(encoded, { a: 1, b: 1, "b.m": 1 });
  const restored = (...of: Parameters<typeof restoreGroup>) => [...restoreGroup(...of)];
  assert.deepEqual(restored(encoded, without, groupB!, withMode), [0, 1, -1]);
  assert.deepEqual(restored(encoded, withMode, groupB!, without), [1, 0, 0]);
  assert.deepEqual(restored(encoded, without, groupA!, withMode), [1, 0, 0]);
  assert.deepEqual(restored(encoded, withMode, groupA!, without), [0, 1, -1]);
});

test("greedy layer removal ranks the groups alone, then returns them to float in that order until the bound is met", () => {
  const space = flatSpace(4, 2);
  const base: Configuration = { layer0: 1, layer1: 1, layer2: 1, layer3: 1 };
  const losses = { layer0: 1, layer1: 4, layer2: 2, layer3: 0.5 };
  const sampler = createGreedyLayerSampler(space, { seed: 1, base });
  const asked: string[] = [];
  for (let number = 2; number < 8; number++) {
    const configuration = sampler.ask(number)!;
    sampler.started(number, configuration);
    const quantized = Object.entries(losses).filter(([name]) => configuration[name] === 1);
    const violation = Math.max(0, quantized.reduce((sum, [, loss]) => sum + loss, 0) - 2);
    sampler.tell({
      number,
      configuration,
      state: "complete",
      values: [4 - quantized.length],
      violation,
      samples: 1,
    });
    asked.push(Object.values(configuration).join(""));
  }
  // Layers 1 and 2 lose most accuracy; with both in float the bound is met.
  assert.deepEqual(asked.slice(0, 5), ["0111", "1011", "1101", "1110", "1001"]);
  assert.equal(asked.length, 6);
});
