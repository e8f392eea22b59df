import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureReport } from "../../../shared/run/protocol/failure-report.js";
import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";
import { toyBill, toyCost, toyRequest, toyStudy } from "../toy-study.js";
import { picker, ReducerHarness, runToEnd, tick } from "./reducer-harness.js";

describe("the reducer keeps of answers", () => {
  test("the maximum sensitivity over the shards, whatever their order", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const harness = new ReducerHarness(toyRequest({ statisticsShards: 2 }));
      const reports = harness.sent.map((job, i) => {
        const report = harness.answer(job, 1);
        assert.ok(report.type === "StatisticsReported" && report.outcome.state === "complete");
        const sensitivity = { g0: [0.25, 0.125][i]!, g1: [0.5, 0.75][i]!, [`only${i}`]: 1 / 3 };
        return { ...report, outcome: { ...report.outcome, sensitivity } };
      });
      for (const i of order) harness.apply(reports[i]!);
      assert.deepEqual(harness.state.sensitivity, { g0: 0.25, g1: 0.75, only0: 0.333333, only1: 0.333333 });
    }
  });

  test("the base configuration is the best so far even if it ended before the float model", () => {
    const harness = new ReducerHarness(toyRequest({ parallel: 2 }));
    harness.apply(harness.answer(harness.sent[0]!, 1));
    const [, float, first] = harness.sent;
    harness.apply(harness.answer(first!, 2));
    assert.equal(harness.state.best?.number, undefined);
    harness.apply(harness.answer(float!, 3));
    assert.equal(harness.state.best?.number, 1);
  });

  test("each attempt is charged once: with its report, or with the mean when it is given up", () => {
    const harness = new ReducerHarness(toyRequest({ cost: toyCost(1_000) }));
    const bill = (job: Job, at: number, milliseconds: number) =>
      harness.apply({ ...harness.answer(job, at), billed: toyBill(milliseconds) });
    const spent = (): number => harness.state.spend.billedMilliseconds;
    const [float] = bill(harness.sent[0]!, 1, 1_000);
    const [first] = bill(float!, 2, 3_000);
    assert.equal(spent(), 4_000);

    const [second] = harness.apply(tick(first!.deadline));
    assert.equal(spent(), 7_000, "the unanswered attempt is charged with the mean of trials, 3 s");
    const [next] = bill(first!, first!.deadline + 1, 9_000);
    assert.equal(
      spent(),
      10_000,
      "its late answer is not charged again, and the running attempt is given up",
    );
    bill(second!, first!.deadline + 2, 9_000);
    assert.equal(spent(), 10_000, "its answer is not charged either");
    bill(next!, first!.deadline + 3, 5_000);
    assert.equal(spent(), 15_000);
    assert.equal(harness.state.spend.usd, 15);
  });

  test("a finish is charged like other jobs: a late answer is not, and the running attempt is", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 1, cost: toyCost(1_000) }));
    const bill = (job: Job, at: number, milliseconds: number) =>
      harness.apply({ ...harness.answer(job, at), billed: toyBill(milliseconds) });
    for (const [i, milliseconds] of [1_000, 2_000, 3_000].entries()) bill(harness.sent[i]!, i, milliseconds);
    const finish = harness.sent.at(-1)!;
    assert.equal(finish.type, "finish");
    harness.apply(tick(finish.deadline));
    assert.equal(harness.state.spend.billedMilliseconds, 8_000, "the mean of all jobs");
    bill(finish, finish.deadline + 1, 50_000);
    assert.equal(harness.state.phase, "done");
    assert.equal(harness.state.spend.billedMilliseconds, 10_000);
  });

  test("a running attempt is charged when a job fails through an earlier attempt", () => {
    for (const work of ["statistics", "finish"] as const) {
      const harness = new ReducerHarness(
        toyRequest({ maxTrials: 1, statisticsShards: 2, cost: toyCost(1_000) }),
      );
      const bill = (report: JobReport) => harness.apply({ ...report, billed: toyBill(2_000) });
      bill(harness.answer(harness.sent[1]!, 1));
      if (work === "finish") for (const i of [0, 2, 3]) bill(harness.answer(harness.sent[i]!, 2));
      const first = work === "finish" ? harness.sent.at(-1)! : harness.sent[0]!;
      assert.equal(first.type, work);
      const before = harness.state.spend.billedMilliseconds;
      const fail = (job: Job) =>
        bill(failureReport(job, "the job failed", { worker: "w", at: first.deadline }));
      const [second] = harness.apply(tick(first.deadline));
      fail(second!);
      assert.equal(harness.state.spend.billedMilliseconds - before, 4_000, work);
      fail(first);
      assert.equal(harness.state.phase, "failed");
      assert.equal(harness.state.spend.billedMilliseconds - before, 6_000, work);
    }
  });

  test("a pruned trial's other shards are charged, and its metric covers the rows received", () => {
    const harness = new ReducerHarness(toyRequest({ shards: 3, maxTrials: 3, cost: toyCost(1_000) }));
    const bill = (event: JobReport) => harness.apply({ ...event, billed: toyBill(1_000) });
    bill(harness.answer(harness.sent[0]!, 1));
    for (const job of harness.sent.slice(1, 4)) bill(harness.answer(job, 2));
    for (const job of harness.sent.slice(4, 7)) bill(harness.answer(job, 3));
    const before = harness.state.spend.billedMilliseconds;
    const report = harness.answer(harness.sent[8]!, 4);
    assert.ok(report.type === "TrialReported" && report.outcome.state !== "failed");
    const rows = { encoding: "bits", rows: 4, width: 1, data: Buffer.of(0b0001).toString("base64") } as const;
    bill({ ...report, outcome: { ...report.outcome, state: "pruned", rows, samples: 4, reachable: -0.1 } });
    const pruned = harness.state.finished.at(-1);
    assert.ok(pruned?.state === "pruned");
    const { metric, samples, reachable } = pruned.measurement;
    assert.deepEqual([pruned.number, metric, samples, reachable], [2, 0.25, 4, -0.1]);
    assert.deepEqual(
      pruned.scores.map((name) => name !== ""),
      [false, true, false],
    );
    assert.equal(harness.state.spend.billedMilliseconds - before, 3_000);
  });

  test("rows are in the order of shards whatever order they arrive in, and the latency is shard 0's", () => {
    const byPosition = (rows: Float32Array): number => rows.reduce((sum, row, i) => sum + row * (i + 1), 0);
    const course = (picks: readonly number[]) => {
      const request = toyRequest({ shards: 3, maxTrials: 1, parallel: 2 });
      const harness = new ReducerHarness(request, { ...toyStudy, aggregate: byPosition });
      runToEnd(harness, picker(picks));
      const trials = [...harness.state.finished].sort((x, y) => x.number - y.number);
      return trials.map((trial) => (trial.state === "failed" ? trial : [trial.measurement, trial.scores]));
    };
    const straight = course([]);
    assert.deepEqual(course([0, 2, 1, 3, 0, 1]), straight);
    assert.deepEqual(course([0, 5, 4, 3, 2, 1]), straight);
    for (const trial of straight) assert.ok(Array.isArray(trial) && "latency" in (trial[0] as object));
  });
});
