import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureReport } from "../../../shared/run/protocol/failure-report.js";
import type { RunEvent } from "../../../shared/run/protocol/messages.js";
import { toyRequest } from "../toy-study.js";
import { atTrial, base, Desk, failure, tick } from "./reducer-desk.js";

describe("jobs that go wrong", () => {
  test("a trial that fails once is sent again, with the same configuration", () => {
    const { desk, job } = atTrial(3);
    const [again] = desk.hear(failure(3, 1, "out of memory"));
    assert.ok(again?.type === "trial" && job.type === "trial");
    assert.deepEqual([again.trial, again.attempt, again.configuration], [3, 2, job.configuration]);
  });

  test("a trial that model or data fail is not sent again, and of the float model it ends the run as such", () => {
    const reason = "ids.npy, row 7: the model cannot be run on this";
    const byInput = (trial: number): RunEvent => {
      const report = failure(trial, 1, reason);
      assert.ok(report.type === "TrialReported" && report.outcome.state === "failed");
      return { ...report, outcome: { ...report.outcome, input: true } };
    };
    const { desk } = atTrial(3);
    const [next] = desk.hear(byInput(3));
    assert.ok(next?.type === "trial" && next.trial === 4);
    const last = desk.state.finished.at(-1);
    assert.ok(last?.state === "failed" && last.input);
    assert.equal(desk.state.phase, "search");

    const float = atTrial(0).desk;
    assert.deepEqual(float.hear(byInput(0)), []);
    assert.deepEqual(
      [float.state.phase, float.state.failure, float.state.failedByInput],
      ["failed", `The float model could not be scored: ${reason}`, true],
    );
  });

  test("a failure reported twice counts once", () => {
    const { desk } = atTrial(3);
    desk.hear(failure(3, 1, "out of memory"));
    assert.deepEqual(desk.hear(failure(3, 1, "out of memory")), []);
    assert.ok(desk.state.running.some(({ number }) => number === 3));
  });

  test("a trial that fails twice is failed, keeps its reason, and the run goes on", () => {
    const { desk } = atTrial(3);
    desk.hear(failure(3, 1, "first"));
    const [next] = desk.hear(failure(3, 2, "second"));
    assert.deepEqual(
      desk.state.finished
        .map((trial) => [trial.number, trial.state === "failed" ? trial.reason : trial.state])
        .at(-1),
      [3, "second"],
    );
    assert.ok(next?.type === "trial" && next.trial === 4);
  });

  test("an unanswered job is sent again after its deadline and not before, with twice the time", () => {
    const { desk, job } = atTrial(2);
    const { deadline } = job;
    assert.deepEqual(desk.hear(tick(deadline - 1)), []);
    const [again] = desk.hear(tick(deadline));
    assert.ok(again?.type === "trial");
    assert.deepEqual([again.attempt, again.deadline], [2, deadline + 120_000]);
  });

  test("a late first answer counts, and the second one does not", () => {
    const { desk, job } = atTrial(2);
    const [again] = desk.hear(tick(job.deadline));
    desk.hear(desk.answer(job, job.deadline + 1));
    assert.equal(desk.state.finished.at(-1)?.number, 2);
    const before = desk.state;
    desk.hear(desk.answer(again!, job.deadline + 2));
    assert.equal(desk.state.finished, before.finished);
  });

  test("a job that nobody ever answers ends the trial and not the run", () => {
    const { desk, job } = atTrial(2);
    let { deadline } = job;
    for (let attempt = 1; attempt <= 6; attempt++)
      deadline = desk.hear(tick(deadline))[0]?.deadline ?? deadline;
    const last = desk.state.finished.at(-1);
    assert.ok(last?.state === "failed");
    assert.match(last.reason, /no worker answered in time \(6 attempts\)/);
    assert.ok(desk.state.running.some(({ number }) => number === 3));
  });

  test("results of another instruction set are not merged but sent again", () => {
    const { desk, job } = atTrial(2);
    const [again] = desk.hear(desk.answer(job, 50, "isa-b"));
    assert.ok(again?.type === "trial");
    assert.deepEqual([again.trial, again.attempt], [2, 2]);
    desk.hear(desk.answer(again, 51));
    assert.equal(desk.state.finished.at(-1)?.number, 2);
    assert.equal(desk.state.isa, "isa-a");
  });

  test("results of another configuration are not merged but sent again", () => {
    const { desk, job } = atTrial(4);
    assert.ok(job.type === "trial" && job.configuration !== null);
    const other = { ...job, digest: "0123456789ab" };
    assert.notEqual(job.digest, other.digest);
    for (const report of [
      desk.answer(other, 50),
      failureReport(other, "it fails", { worker: "w", at: 50 }),
    ]) {
      const { state, commands } = desk.reduce(desk.state, report);
      assert.equal(state?.finished, desk.state.finished);
      assert.deepEqual(
        commands.map((command) => command.type === "SendTrialJob" && command.job),
        [{ ...job, attempt: 2, deadline: 50 + desk.request.timeouts.trial * 2 }],
      );
    }
    const [again] = desk.hear(desk.answer(other, 50));
    desk.hear(desk.answer(other, 51));
    assert.ok(desk.state.running.some(({ number }) => number === 4));
    desk.hear(desk.answer(again!, 60));
    const record = desk.state.finished.find(({ number }) => number === 4);
    assert.equal(record?.state, "complete");
    assert.deepEqual(record?.configuration, job.configuration);
    assert.equal(record?.attempts, 2);
  });

  test("the instruction set that was asked for decides, not the first answer", () => {
    const desk = new Desk(toyRequest({ isa: "isa-b" }));
    const [float] = desk.hear(desk.answer(desk.sent[0]!, 1));
    const [again] = desk.hear(desk.answer(float!, 2, "isa-a"));
    assert.ok(again?.type === "trial" && again.trial === 0);
    desk.hear(desk.answer(again, 3, "isa-b"));
    assert.equal(desk.state.finished.length, 1);
  });

  for (const [defect, change] of [
    ["too few samples", { samples: 3, rows: { encoding: "bits", rows: 3, width: 1, data: "AA==" } }],
    ["rows that do not fit their shape", { rows: { encoding: "bits", rows: 60, width: 1, data: "AA==" } }],
    [
      "rows of another width",
      { rows: { encoding: "bits", rows: 60, width: 2, data: "AAAAAAAAAAAAAAAAAAAA" } },
    ],
    [
      "a metric that is no number",
      { rows: { encoding: "float32", rows: 60, width: 1, data: Buffer.alloc(240, 0xff).toString("base64") } },
    ],
  ] as const)
    test(`an answer with ${defect} fails the trial`, () => {
      const { desk, job } = atTrial(2);
      let report = desk.answer(job, 50);
      for (const attempt of [1, 2]) {
        assert.ok(report.type === "TrialReported" && report.outcome.state !== "failed");
        report = { ...report, attempt, outcome: { ...report.outcome, ...change } };
        desk.hear(report);
      }
      assert.equal(desk.state.finished.at(-1)?.number, 2);
      assert.equal(desk.state.finished.at(-1)?.state, "failed");
    });

  test("the finish job is sent again, and its second failure fails the run, which a resumed run tries again", () => {
    const desk = new Desk(toyRequest({ maxTrials: 1 }));
    for (let at = 1; desk.state.phase !== "finish"; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    const fail = (attempt: number): RunEvent => {
      const outcome = { state: "failed", reason: "disk full" } as const;
      return { ...base, type: "FinishReported", isa: "isa", attempt, at: 20, outcome };
    };
    assert.equal(desk.hear(fail(1))[0]?.type, "finish");
    desk.hear(fail(2));
    assert.equal(desk.state.phase, "failed");
    assert.match(desk.state.failure ?? "", /disk full/);
    const [finish] = desk.hear({ ...base, type: "RunResumed", at: 30 });
    assert.equal(finish?.attempt, 3);
    desk.hear(desk.answer(finish!, 31));
    assert.equal(desk.state.phase, "done");
  });

  test("what was validated with another instruction set is not taken but sent again, six times at most", () => {
    const desk = new Desk(toyRequest({ maxTrials: 1 }));
    for (let at = 1; desk.state.phase !== "finish"; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    let [job] = desk.hear(desk.answer(desk.sent.at(-1)!, 20, "isa-b"));
    assert.deepEqual([job?.type, job?.attempt, desk.state.phase], ["finish", 2, "finish"]);
    const other = new Desk(toyRequest({ maxTrials: 1 }));
    for (let at = 1; other.state.phase !== "finish"; at++) other.hear(other.answer(other.sent.at(-1)!, at));
    desk.hear(desk.answer(job!, 21));
    assert.equal(desk.state.phase, "done");
    [job] = other.sent.slice(-1);
    for (let at = 30; job !== undefined; at++) [job] = other.hear(other.answer(job, at, "isa-b"));
    assert.equal(other.state.phase, "failed");
    assert.match(
      other.state.failure ?? "",
      /only workers of isa-b answered, and the run's results are of isa/,
    );
  });

  test("a run that was cancelled and whose finish failed searches on when it is resumed", () => {
    const desk = new Desk(toyRequest());
    for (let at = 1; at <= 5; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    desk.hear({ ...base, type: "CancelRequested", at: 6 });
    const outcome = { state: "failed", reason: "disk full" } as const;
    for (const attempt of [1, 2])
      desk.hear({ ...base, type: "FinishReported", isa: "isa", attempt, at: 7, outcome });
    assert.equal(desk.state.phase, "failed");
    const [again] = desk.hear({ ...base, type: "RunResumed", at: 100 });
    assert.equal(desk.state.phase, "search");
    assert.equal(again?.type, "trial");
  });
});
