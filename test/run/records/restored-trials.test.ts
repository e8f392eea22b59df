import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { RunState, TrialRecord } from "../../../shared/run/protocol/state.js";
import { writeRestoredRecord } from "../../../shared/run/records/restored-record.js";
import { restoreTrials } from "../../../shared/run/records/restored-trials.js";
import { replayAsks } from "../../../shared/run/result/replay.js";
import { configurationKey } from "../../../shared/search/space/configuration-key.js";
import { runToy } from "../run-toy.js";
import { toyRequest, toyTpeStudy } from "../toy-study.js";

/** A new run that begins with an earlier run's trials. */
function continued(earlier: RunState, restored: readonly TrialRecord[], maxTrials: number, parallel = 1) {
  const { seed } = earlier.request;
  const request = toyRequest({ runId: "later", seed, maxTrials, parallel });
  const { reference } = writeRestoredRecord(request.space, restored);
  return runToy({ ...request, restored: reference }, toyTpeStudy, restored);
}

const earlier = (parallel: number, maxTrials = 14) =>
  runToy(toyRequest({ runId: "earlier", maxTrials, parallel }), toyTpeStudy).state;

const keysOf = (trials: readonly TrialRecord[]) =>
  trials.flatMap(({ configuration }) => (configuration === null ? [] : [configurationKey(configuration)]));

describe("a run that begins with an earlier one's trials", () => {
  const before = earlier(1);
  const { trials, setAside } = restoreTrials(before, (configuration) => configuration);
  const { state, sent } = continued(before, trials, 25);

  test("counts them towards max_trials and evaluates none of them again", () => {
    assert.equal(setAside, 0);
    assert.equal(state.stop, "max_trials");
    assert.equal(state.finished.length, 26);
    const jobs = sent.filter((job) => job.type === "trial");
    assert.deepEqual(
      jobs.map(({ trial }) => trial),
      Array.from({ length: 11 }, (_, i) => 15 + i),
    );
    const keys = keysOf(state.finished);
    assert.equal(new Set(keys).size, keys.length);
  });

  test("has them as evidence: its proposals depend on them", () => {
    const changed = trials.map((trial) =>
      trial.state === "complete" && trial.number > 1
        ? { ...trial, measurement: { ...trial.measurement, bytes: 10_000 - trial.measurement.bytes } }
        : trial,
    );
    const other = continued(before, changed, 25).state;
    assert.notDeepEqual(keysOf(other.finished), keysOf(state.finished));
  });

  test("compares trials with the rows of the earlier run", () => {
    const races = sent.flatMap((job) => (job.type === "trial" && job.race !== undefined ? [job.race] : []));
    assert.ok(races.length > 0);
    for (const { referenceScores } of races) assert.match(referenceScores, /^runs\/earlier\/scores\/0\//);
  });

  test("replays exactly", () => {
    assert.deepEqual(replayAsks(toyTpeStudy, state), { asks: 11, divergences: [] });
  });

  test("never ends with a worse best trial", () => {
    const bytes = ({ best }: RunState) => best?.measurement.bytes ?? Number.NaN;
    assert.ok(bytes(state) <= bytes(before));
  });

  test("finishes with their best if max_trials is already reached", () => {
    const { state: over, sent: jobs } = continued(before, trials, 5);
    assert.deepEqual(
      jobs.map(({ type }) => type),
      ["statistics", "finish"],
    );
    assert.equal(over.finishing?.candidates[0], before.best?.number);
    assert.equal(over.phase, "done");
  });
});

test("trials of any number of workers are restored with their seen counts", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }), (workers, later) => {
      const before = earlier(workers);
      const { trials } = restoreTrials(before, (configuration) => configuration);
      assert.deepEqual(
        trials.map(({ number, seen }) => [number, seen]),
        before.finished.map(({ number, seen }) => [number, seen]),
      );
      const { state } = continued(before, trials, 20, later);
      assert.deepEqual(replayAsks(toyTpeStudy, state), { asks: 6, divergences: [] });
    }),
    { numRuns: 15, seed: 1 },
  );
});

describe("trials that the new space cannot express", () => {
  const before = earlier(2);
  const odd = restoreTrials(before, (configuration) =>
    configuration["g0.layer"] === "float" ? undefined : configuration,
  );

  test("are dropped, and the others renumbered", () => {
    const left = before.finished.filter(({ configuration }) => configuration?.["g0.layer"] !== "float");
    assert.ok(odd.setAside > 0);
    assert.equal(odd.trials.length, left.length);
    assert.deepEqual(
      odd.trials.map(({ number }) => number).sort((a, b) => a - b),
      left.map((_, i) => i),
    );
    assert.deepEqual(
      odd.trials.map(({ origin }) => origin),
      left.map(({ number }) => ({ run: "earlier", trial: number })),
    );
    for (const { seen, number } of odd.trials) assert.ok(seen <= number);
  });

  test("cause all to be dropped if the base is among them, or if the float model has no scores", () => {
    const none = restoreTrials(before, () => undefined);
    assert.deepEqual(none.trials, []);
    const unscored = { ...before, finished: before.finished.filter(({ number }) => number !== 0) };
    assert.deepEqual(restoreTrials(unscored, (configuration) => configuration).trials, []);
  });
});
