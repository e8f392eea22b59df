import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { markCarriedOut, pendingCommands } from "../../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../../shared/run/reducer/reducer.js";
import { type ToyRequestOptions, toyRequest, toyStudy } from "../toy-study.js";
import { picker, ReducerHarness, requested, runToEnd, tick } from "./reducer-harness.js";

fc.configureGlobal({ seed: 41 });

const summary = (state: RunState) => ({
  phase: state.phase,
  stop: state.stop,
  finished: state.finished,
  best: state.best?.number,
  finishing: state.finishing,
});

const optionsArbitrary: fc.Arbitrary<ToyRequestOptions> = fc.record({
  seed: fc.nat(1_000),
  groups: fc.integer({ min: 1, max: 5 }),
  maxTrials: fc.integer({ min: 1, max: 25 }),
  parallel: fc.integer({ min: 1, max: 6 }),
  shards: fc.integer({ min: 1, max: 3 }),
  statisticsShards: fc.integer({ min: 1, max: 3 }),
});
const picksArbitrary = fc.array(fc.nat(20), { maxLength: 200 });

describe("properties", () => {
  test("every trial ends exactly once, whatever the order of answers", () => {
    fc.assert(
      fc.property(optionsArbitrary, picksArbitrary, (options, picks) => {
        const harness = new ReducerHarness(toyRequest(options));
        runToEnd(harness, picker(picks));
        const numbers = harness.state.finished.map(({ number }) => number).sort((a, b) => a - b);
        assert.deepEqual(numbers, [...Array(harness.state.asked).keys()]);
        assert.equal(harness.state.phase, "done");
        assert.equal(harness.state.running.length, 0);
      }),
      { numRuns: 60 },
    );
  });

  test("no configuration is tried twice", () => {
    fc.assert(
      fc.property(optionsArbitrary, picksArbitrary, (options, picks) => {
        const harness = new ReducerHarness(toyRequest(options));
        runToEnd(harness, picker(picks));
        const tried = harness.state.finished.map(({ configuration }) =>
          JSON.stringify(configuration ?? "float"),
        );
        assert.equal(new Set(tried).size, tried.length);
      }),
      { numRuns: 60 },
    );
  });

  test("repeated and late events change nothing", () => {
    fc.assert(
      fc.property(
        optionsArbitrary,
        picksArbitrary,
        fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { maxLength: 60 }),
        (options, picks, repeats) => {
          const original = new ReducerHarness(toyRequest(options));
          const reports = runToEnd(original, picker(picks));
          const repeated = new ReducerHarness(toyRequest(options));
          for (const [i, report] of reports.entries()) {
            repeated.apply(report);
            const before = repeated.state;
            for (const [after, which] of repeats)
              if (after % reports.length === i) repeated.apply(reports[which % (i + 1)]!);
            repeated.apply(requested(repeated.request, i));
            repeated.apply(tick(i));
            assert.equal(repeated.state.finished, before.finished);
          }
          assert.deepEqual(summary(repeated.state), summary(original.state));
          assert.deepEqual(repeated.sent, original.sent);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("a reducer without a cached sampler proposes the same", () => {
    fc.assert(
      fc.property(optionsArbitrary, picksArbitrary, (options, picks) => {
        const harness = new ReducerHarness(toyRequest(options));
        const reports = runToEnd(harness, picker(picks));
        let state: RunState | undefined;
        for (const event of [requested(harness.request), ...reports]) {
          const reduction = createReducer(toyStudy).reduce(state, event);
          assert.ok(reduction.state);
          state = markCarriedOut(reduction.state, reduction.commands);
        }
        assert.ok(state);
        assert.deepEqual(summary(state), summary(harness.state));
      }),
      { numRuns: 30 },
    );
  });

  test("applying several events before proposing gives the same state", () => {
    const batches = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        optionsArbitrary,
        picksArbitrary,
        batches,
        fc.boolean(),
        (options, picks, sizes, dropsCache) => {
          // Spaces of one and two groups are exhausted during the run.
          const harness = new ReducerHarness(toyRequest({ ...options, maxTrials: 40 }));
          const open = [...harness.sent];
          let together: RunState | undefined = harness.state;
          let reducer = createReducer(toyStudy);
          for (let at = 1, batch = 0; open.length > 0; batch++) {
            const size = sizes[batch % sizes.length]!;
            const jobs = Array.from({ length: Math.min(size, open.length) }, (_, i) => {
              const [job] = open.splice((picks[at + i] ?? 0) % open.length, 1);
              return job!;
            });
            for (const job of jobs) {
              const report = harness.answer(job, at++);
              open.push(...harness.apply(report));
              together = reducer.apply(together, report);
            }
            if (dropsCache) reducer = createReducer(toyStudy);
            assert.ok(together);
            const proposed: RunState = reducer.proposeAll(together);
            together = markCarriedOut(proposed, pendingCommands(proposed));
            assert.deepEqual(together, harness.state);
          }
          assert.equal(harness.state.phase, "done");
        },
      ),
      { numRuns: 60 },
    );
  });

  test("an event applied a second time to an earlier state gives the same proposals", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 15, parallel: 3 }));
    const reports = runToEnd(harness);
    const { reduce } = createReducer(toyStudy);
    let state: RunState | undefined;
    for (const event of [requested(harness.request), ...reports]) {
      // The first result is dropped, as after a lost compare-and-swap.
      reduce(state, event);
      const reduction = reduce(state, event);
      assert.ok(reduction.state);
      state = markCarriedOut(reduction.state, reduction.commands);
    }
    assert.ok(state);
    assert.deepEqual(summary(state), summary(harness.state));
  });
});
