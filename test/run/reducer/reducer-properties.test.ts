import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { RunState } from "../../../shared/run/protocol/state.js";
import { markCarriedOut, pendingCommands } from "../../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../../shared/run/reducer/reducer.js";
import { type ToyRequestOptions, toyRequest, toyStudy } from "../toy-study.js";
import { Desk, picker, requested, runToEnd, tick } from "./reducer-desk.js";

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
  test("every trial ends exactly once, in whatever order answers come", () => {
    fc.assert(
      fc.property(optionsArbitrary, picksArbitrary, (options, picks) => {
        const desk = new Desk(toyRequest(options));
        runToEnd(desk, picker(picks));
        const numbers = desk.state.finished.map(({ number }) => number).sort((a, b) => a - b);
        assert.deepEqual(numbers, [...Array(desk.state.asked).keys()]);
        assert.equal(desk.state.phase, "done");
        assert.equal(desk.state.running.length, 0);
      }),
      { numRuns: 60 },
    );
  });

  test("no configuration is tried twice", () => {
    fc.assert(
      fc.property(optionsArbitrary, picksArbitrary, (options, picks) => {
        const desk = new Desk(toyRequest(options));
        runToEnd(desk, picker(picks));
        const tried = desk.state.finished.map(({ configuration }) =>
          JSON.stringify(configuration ?? "float"),
        );
        assert.equal(new Set(tried).size, tried.length);
      }),
      { numRuns: 60 },
    );
  });

  test("events that come twice, late or again change nothing", () => {
    fc.assert(
      fc.property(
        optionsArbitrary,
        picksArbitrary,
        fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { maxLength: 60 }),
        (options, picks, repeats) => {
          const undisturbed = new Desk(toyRequest(options));
          const reports = runToEnd(undisturbed, picker(picks));
          const disturbed = new Desk(toyRequest(options));
          for (const [i, report] of reports.entries()) {
            disturbed.hear(report);
            const before = disturbed.state;
            for (const [after, which] of repeats)
              if (after % reports.length === i) disturbed.hear(reports[which % (i + 1)]!);
            disturbed.hear(requested(disturbed.request, i));
            disturbed.hear(tick(i));
            assert.equal(disturbed.state.finished, before.finished);
          }
          assert.deepEqual(summary(disturbed.state), summary(undisturbed.state));
          assert.deepEqual(disturbed.sent, undisturbed.sent);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("a reducer that has forgotten its sampler asks the same", () => {
    fc.assert(
      fc.property(optionsArbitrary, picksArbitrary, (options, picks) => {
        const desk = new Desk(toyRequest(options));
        const reports = runToEnd(desk, picker(picks));
        let state: RunState | undefined;
        for (const event of [requested(desk.request), ...reports]) {
          const reduction = createReducer(toyStudy).reduce(state, event);
          assert.ok(reduction.state);
          state = markCarriedOut(reduction.state, reduction.commands);
        }
        assert.ok(state);
        assert.deepEqual(summary(state), summary(desk.state));
      }),
      { numRuns: 30 },
    );
  });

  test("events heard together, and the sampler asked after all of them, come to the same", () => {
    const batches = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        optionsArbitrary,
        picksArbitrary,
        batches,
        fc.boolean(),
        (options, picks, sizes, forgets) => {
          // Spaces of one and two groups are exhausted on the way.
          const desk = new Desk(toyRequest({ ...options, maxTrials: 40 }));
          const open = [...desk.sent];
          let together: RunState | undefined = desk.state;
          let reducer = createReducer(toyStudy);
          for (let at = 1, batch = 0; open.length > 0; batch++) {
            const size = sizes[batch % sizes.length]!;
            const jobs = Array.from({ length: Math.min(size, open.length) }, (_, i) => {
              const [job] = open.splice((picks[at + i] ?? 0) % open.length, 1);
              return job!;
            });
            for (const job of jobs) {
              const report = desk.answer(job, at++);
              open.push(...desk.hear(report));
              together = reducer.hear(together, report);
            }
            if (forgets) reducer = createReducer(toyStudy);
            assert.ok(together);
            const proposed: RunState = reducer.proposeAll(together);
            together = markCarriedOut(proposed, pendingCommands(proposed));
            assert.deepEqual(together, desk.state);
          }
          assert.equal(desk.state.phase, "done");
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a state that was left and taken up again asks the same", () => {
    const desk = new Desk(toyRequest({ maxTrials: 15, parallel: 3 }));
    const reports = runToEnd(desk);
    const { reduce } = createReducer(toyStudy);
    let state: RunState | undefined;
    for (const event of [requested(desk.request), ...reports]) {
      // The result of the first is dropped, as by a save that another coordinator's came before.
      reduce(state, event);
      const reduction = reduce(state, event);
      assert.ok(reduction.state);
      state = markCarriedOut(reduction.state, reduction.commands);
    }
    assert.ok(state);
    assert.deepEqual(summary(state), summary(desk.state));
  });
});
