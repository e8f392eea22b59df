import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureReport } from "../../../shared/run/protocol/failure-report.js";
import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";
import { toyBill, toyCost, toyRequest, toyStudy } from "../toy-study.js";
import { Desk, picker, runToEnd, tick } from "./reducer-desk.js";

describe("what is kept of the answers", () => {
  test("the largest sensitivity over the shards, whatever order they answer in", () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const desk = new Desk(toyRequest({ statisticsShards: 2 }));
      const reports = desk.sent.map((job, i) => {
        const report = desk.answer(job, 1);
        assert.ok(report.type === "StatisticsReported" && report.outcome.state === "complete");
        const sensitivity = { g0: [0.25, 0.125][i]!, g1: [0.5, 0.75][i]!, [`only${i}`]: 1 / 3 };
        return { ...report, outcome: { ...report.outcome, sensitivity } };
      });
      for (const i of order) desk.hear(reports[i]!);
      assert.deepEqual(desk.state.sensitivity, { g0: 0.25, g1: 0.75, only0: 0.333333, only1: 0.333333 });
    }
  });

  test("the base configuration is the best so far even if it ended before the float model", () => {
    const desk = new Desk(toyRequest({ parallel: 2 }));
    desk.hear(desk.answer(desk.sent[0]!, 1));
    const [, float, first] = desk.sent;
    desk.hear(desk.answer(first!, 2));
    assert.equal(desk.state.best?.number, undefined);
    desk.hear(desk.answer(float!, 3));
    assert.equal(desk.state.best?.number, 1);
  });

  test("each attempt is charged once: with its report, or with the mean when it is given up", () => {
    const desk = new Desk(toyRequest({ cost: toyCost(1_000) }));
    const bill = (job: Job, at: number, milliseconds: number) =>
      desk.hear({ ...desk.answer(job, at), billed: toyBill(milliseconds) });
    const spent = (): number => desk.state.spend.billedMilliseconds;
    const [float] = bill(desk.sent[0]!, 1, 1_000);
    const [first] = bill(float!, 2, 3_000);
    assert.equal(spent(), 4_000);

    const [second] = desk.hear(tick(first!.deadline));
    assert.equal(spent(), 7_000, "the unanswered attempt is charged with the mean of trials, 3 s");
    const [next] = bill(first!, first!.deadline + 1, 9_000);
    assert.equal(
      spent(),
      10_000,
      "its late answer is not charged again, and the attempt under way is given up",
    );
    bill(second!, first!.deadline + 2, 9_000);
    assert.equal(spent(), 10_000, "and so is that one's");
    bill(next!, first!.deadline + 3, 5_000);
    assert.equal(spent(), 15_000);
    assert.equal(desk.state.spend.usd, 15);
  });

  test("a finish is charged as other jobs are: a late answer is not, and the attempt under way is", () => {
    const desk = new Desk(toyRequest({ maxTrials: 1, cost: toyCost(1_000) }));
    const bill = (job: Job, at: number, milliseconds: number) =>
      desk.hear({ ...desk.answer(job, at), billed: toyBill(milliseconds) });
    for (const [i, milliseconds] of [1_000, 2_000, 3_000].entries()) bill(desk.sent[i]!, i, milliseconds);
    const finish = desk.sent.at(-1)!;
    assert.equal(finish.type, "finish");
    desk.hear(tick(finish.deadline));
    assert.equal(desk.state.spend.billedMilliseconds, 8_000, "the mean of all jobs");
    bill(finish, finish.deadline + 1, 50_000);
    assert.equal(desk.state.phase, "done");
    assert.equal(desk.state.spend.billedMilliseconds, 10_000);
  });

  test("what is under way when a job fails for an earlier attempt's sake is charged", () => {
    for (const work of ["statistics", "finish"] as const) {
      const desk = new Desk(toyRequest({ maxTrials: 1, statisticsShards: 2, cost: toyCost(1_000) }));
      const bill = (report: JobReport) => desk.hear({ ...report, billed: toyBill(2_000) });
      bill(desk.answer(desk.sent[1]!, 1));
      if (work === "finish") for (const i of [0, 2, 3]) bill(desk.answer(desk.sent[i]!, 2));
      const first = work === "finish" ? desk.sent.at(-1)! : desk.sent[0]!;
      assert.equal(first.type, work);
      const before = desk.state.spend.billedMilliseconds;
      const fail = (job: Job) => bill(failureReport(job, "bad luck", { worker: "w", at: first.deadline }));
      const [second] = desk.hear(tick(first.deadline));
      fail(second!);
      assert.equal(desk.state.spend.billedMilliseconds - before, 4_000, work);
      fail(first);
      assert.equal(desk.state.phase, "failed");
      assert.equal(desk.state.spend.billedMilliseconds - before, 6_000, work);
    }
  });

  test("a pruned trial's other shards are charged, and its metric is that of the rows that came", () => {
    const desk = new Desk(toyRequest({ shards: 3, maxTrials: 3, cost: toyCost(1_000) }));
    const bill = (event: JobReport) => desk.hear({ ...event, billed: toyBill(1_000) });
    bill(desk.answer(desk.sent[0]!, 1));
    for (const job of desk.sent.slice(1, 4)) bill(desk.answer(job, 2));
    for (const job of desk.sent.slice(4, 7)) bill(desk.answer(job, 3));
    const before = desk.state.spend.billedMilliseconds;
    const report = desk.answer(desk.sent[8]!, 4);
    assert.ok(report.type === "TrialReported" && report.outcome.state !== "failed");
    const rows = { encoding: "bits", rows: 4, width: 1, data: Buffer.of(0b0001).toString("base64") } as const;
    bill({ ...report, outcome: { ...report.outcome, state: "pruned", rows, samples: 4, reachable: -0.1 } });
    const pruned = desk.state.finished.at(-1);
    assert.ok(pruned?.state === "pruned");
    const { metric, samples, reachable } = pruned.measurement;
    assert.deepEqual([pruned.number, metric, samples, reachable], [2, 0.25, 4, -0.1]);
    assert.deepEqual(
      pruned.scores.map((name) => name !== ""),
      [false, true, false],
    );
    assert.equal(desk.state.spend.billedMilliseconds - before, 3_000);
  });

  test("the shards' rows stand in their order, however they came, and the latency is shard 0's", () => {
    const byPosition = (rows: Float32Array): number => rows.reduce((sum, row, i) => sum + row * (i + 1), 0);
    const course = (picks: readonly number[]) => {
      const request = toyRequest({ shards: 3, maxTrials: 1, parallel: 2 });
      const desk = new Desk(request, { ...toyStudy, aggregate: byPosition });
      runToEnd(desk, picker(picks));
      const trials = [...desk.state.finished].sort((x, y) => x.number - y.number);
      return trials.map((trial) => (trial.state === "failed" ? trial : [trial.measurement, trial.scores]));
    };
    const straight = course([]);
    assert.deepEqual(course([0, 2, 1, 3, 0, 1]), straight);
    assert.deepEqual(course([0, 5, 4, 3, 2, 1]), straight);
    for (const trial of straight) assert.ok(Array.isArray(trial) && "latency" in (trial[0] as object));
  });
});
