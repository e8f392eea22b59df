import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { EarlyStoppingReference } from "../../../shared/run/protocol/messages.js";
import type { MeasuredTrial, RunningTrial, RunState } from "../../../shared/run/protocol/state.js";
import { earlyStoppingReference } from "../../../shared/run/reducer/early-stopping-reference.js";
import { runToy } from "../run-toy.js";
import { toyRequest, toyStudy } from "../toy-study.js";

const request = toyRequest({ maxTrials: 1 });
const ended = runToy(request, toyStudy).state;

function record(number: number, state: MeasuredTrial["state"] = "complete"): MeasuredTrial {
  return {
    number,
    configuration: number === 0 ? null : request.base,
    seen: 0,
    askedAt: 0,
    endedAt: 0,
    attempts: 1,
    state,
    measurement: { metric: 0.5, samples: 4, bytes: 100, quantizedShare: { byCount: 1, byParameters: 1 } },
    worker: "w",
    timings: { quantize: 0, session: 0, inference: 0, total: 0 },
    scores: Array.from({ length: request.evaluation.shards }, () => `trial${number}`),
  };
}

const trial: RunningTrial = {
  number: 9,
  configuration: request.base,
  seen: 8,
  askedAt: 0,
  racing: true,
  incumbent: 4,
  shards: [],
};

function race(
  finished: readonly MeasuredTrial[],
  asked: Partial<RunningTrial> = {},
): EarlyStoppingReference | undefined {
  const state: RunState = { ...ended, finished };
  return earlyStoppingReference(state, { ...trial, ...asked }, 0);
}

const named = (key: string): number => Number(/trial(\d+)/.exec(key)?.[1]);

describe("a trial is compared", () => {
  const finished = [
    ...[0, 1, 2, 3, 4].map((number) => record(number)),
    record(5, "pruned"),
    record(6),
    record(7),
  ];

  test("with the float model, the incumbent, and the latest complete trials before it was opened", () => {
    const against = race(finished)!;
    assert.equal(named(against.referenceScores), 0);
    assert.equal(against.incumbent?.trial, 4);
    assert.deepEqual(against.peerScores.map(named), [7, 6, 3, 2]);
  });

  test("with the same ones when its job is sent again", () => {
    assert.deepEqual(race([...finished, record(8)]), race(finished));
    assert.deepEqual(race(finished, { seen: 4 })!.peerScores.map(named), [3, 2, 1]);
  });

  test("with none that were scored in other shards", () => {
    const other = { ...record(7), scores: ["trial7", "trial7", "trial7"] };
    assert.deepEqual(race([...finished.slice(0, 7), other])!.peerScores.map(named), [6, 3, 2]);
    assert.equal(race([{ ...record(0), scores: [] }, ...finished.slice(1)]), undefined);
  });
});
