import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type StatisticsContent, statisticsKey } from "../../shared/statistics/cache-key.js";

const CONTENT: StatisticsContent = {
  modelSha256: "a".repeat(64),
  rewritings: [],
  dataHash: "b".repeat(64),
  samples: [0, 1, 2],
  requirement: new Map([["x", [{ type: "min" }, { type: "abs_quantile", outlierProb: 1e-3 }]]]),
  onnxruntime: "1.30.0",
};

describe("The key of statistics", () => {
  test("is the same for the same content, and a valid path in a store", () => {
    const again = { ...CONTENT, samples: [...CONTENT.samples], requirement: new Map(CONTENT.requirement) };
    assert.equal(statisticsKey(again), statisticsKey(CONTENT));
    assert.match(statisticsKey(CONTENT), /^statistics\/[0-9a-f]{64}$/);
  });

  const changes: Readonly<Record<string, Partial<StatisticsContent>>> = {
    "another model": { modelSha256: "c".repeat(64) },
    "a rewritten model": { rewritings: ["ActivationChannelAlignment statistics/0"] },
    "other data": { dataHash: "c".repeat(64) },
    "other samples": { samples: [0, 1, 3] },
    "the samples in another order": { samples: [2, 1, 0] },
    "another runtime": { onnxruntime: "1.31.0" },
    "another tensor": { requirement: new Map([["y", CONTENT.requirement.get("x")!]]) },
    "a statistic less": { requirement: new Map([["x", [{ type: "min" }]]]) },
    "another probability": {
      requirement: new Map([["x", [{ type: "min" }, { type: "abs_quantile", outlierProb: 1e-4 }]]]),
    },
    "another end": {
      requirement: new Map([["x", [{ type: "max" }, { type: "abs_quantile", outlierProb: 1e-3 }]]]),
    },
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`changes with ${what}`, () => {
      assert.notEqual(statisticsKey({ ...CONTENT, ...change }), statisticsKey(CONTENT));
    });
  }
});
