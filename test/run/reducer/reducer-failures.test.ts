import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failureReport } from "../../../shared/run/protocol/failure-report.js";
import type { RunEvent } from "../../../shared/run/protocol/messages.js";
import { toyRequest } from "../toy-study.js";
import { atTrial, base, failure, ReducerHarness, tick } from "./reducer-harness.js";

describe("failed jobs", () => {
  test("a trial that fails once is sent again, with the same configuration", () => {
    const { harness, job } = atTrial(3);
    const [again] = harness.apply(failure(3, 1, "out of memory"));
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
    const { harness } = atTrial(3);
    const [next] = harness.apply(byInput(3));
    assert.ok(next?.type === "trial" && next.trial === 4);
    const last = harness.state.finished.at(-1);
    assert.ok(last?.state === "failed" && last.input);
    assert.equal(harness.state.phase, "search");

    const float = atTrial(0).harness;
    assert.deepEqual(float.apply(byInput(0)), []);
    assert.deepEqual(
      [float.state.phase, float.state.failure, float.state.failedByInput],
      ["failed", `The float model could not be scored: ${reason}`, true],
    );
  });

  test("a failure reported twice counts once", () => {
    const { harness } = atTrial(3);
    harness.apply(failure(3, 1, "out of memory"));
    assert.deepEqual(harness.apply(failure(3, 1, "out of memory")), []);
    assert.ok(harness.state.running.some(({ number }) => number === 3));
  });

  test("a trial that fails twice ends as failed with its reason, and the run continues", () => {
    const { harness } = atTrial(3);
    harness.apply(failure(3, 1, "first"));
    const [next] = harness.apply(failure(3, 2, "second"));
    assert.deepEqual(
      harness.state.finished
        .map((trial) => [trial.number, trial.state === "failed" ? trial.reason : trial.state])
        .at(-1),
      [3, "second"],
    );
    assert.ok(next?.type === "trial" && next.trial === 4);
  });

  test("an unanswered job is sent again after its deadline and not before, with twice the time", () => {
    const { harness, job } = atTrial(2);
    const { deadline } = job;
    assert.deepEqual(harness.apply(tick(deadline - 1)), []);
    const [again] = harness.apply(tick(deadline));
    assert.ok(again?.type === "trial");
    assert.deepEqual([again.attempt, again.deadline], [2, deadline + 120_000]);
  });

  test("a late first answer counts, and the second one does not", () => {
    const { harness, job } = atTrial(2);
    const [again] = harness.apply(tick(job.deadline));
    harness.apply(harness.answer(job, job.deadline + 1));
    assert.equal(harness.state.finished.at(-1)?.number, 2);
    const before = harness.state;
    harness.apply(harness.answer(again!, job.deadline + 2));
    assert.equal(harness.state.finished, before.finished);
  });

  test("a job that is never answered ends its trial, but not the run", () => {
    const { harness, job } = atTrial(2);
    let { deadline } = job;
    for (let attempt = 1; attempt <= 6; attempt++)
      deadline = harness.apply(tick(deadline))[0]?.deadline ?? deadline;
    const last = harness.state.finished.at(-1);
    assert.ok(last?.state === "failed");
    assert.match(last.reason, /no worker answered in time \(6 attempts\)/);
    assert.ok(harness.state.running.some(({ number }) => number === 3));
  });

  test("jobs answered by another instruction set are sent again", () => {
    const { harness, job } = atTrial(2);
    const [again] = harness.apply(harness.answer(job, 50, "isa-b"));
    assert.ok(again?.type === "trial");
    assert.deepEqual([again.trial, again.attempt], [2, 2]);
    harness.apply(harness.answer(again, 51));
    assert.equal(harness.state.finished.at(-1)?.number, 2);
    assert.equal(harness.state.isa, "isa-a");
  });

  test("jobs answered for another configuration are sent again", () => {
    const { harness, job } = atTrial(4);
    assert.ok(job.type === "trial" && job.configuration !== null);
    const other = { ...job, digest: "0123456789ab" };
    assert.notEqual(job.digest, other.digest);
    for (const report of [
      harness.answer(other, 50),
      failureReport(other, "it fails", { worker: "w", at: 50 }),
    ]) {
      const { state, commands } = harness.reduce(harness.state, report);
      assert.equal(state?.finished, harness.state.finished);
      assert.deepEqual(
        commands.map((command) => command.type === "SendTrialJob" && command.job),
        [{ ...job, attempt: 2, deadline: 50 + harness.request.timeouts.trial * 2 }],
      );
    }
    const [again] = harness.apply(harness.answer(other, 50));
    harness.apply(harness.answer(other, 51));
    assert.ok(harness.state.running.some(({ number }) => number === 4));
    harness.apply(harness.answer(again!, 60));
    const record = harness.state.finished.find(({ number }) => number === 4);
    assert.equal(record?.state, "complete");
    assert.deepEqual(record?.configuration, job.configuration);
    assert.equal(record?.attempts, 2);
  });

  test("a requested instruction set overrides that of the first answer", () => {
    const harness = new ReducerHarness(toyRequest({ isa: "isa-b" }));
    const [float] = harness.apply(harness.answer(harness.sent[0]!, 1));
    const [again] = harness.apply(harness.answer(float!, 2, "isa-a"));
    assert.ok(again?.type === "trial" && again.trial === 0);
    harness.apply(harness.answer(again, 3, "isa-b"));
    assert.equal(harness.state.finished.length, 1);
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
      const { harness, job } = atTrial(2);
      let report = harness.answer(job, 50);
      for (const attempt of [1, 2]) {
        assert.ok(report.type === "TrialReported" && report.outcome.state !== "failed");
        report = { ...report, attempt, outcome: { ...report.outcome, ...change } };
        harness.apply(report);
      }
      assert.equal(harness.state.finished.at(-1)?.number, 2);
      assert.equal(harness.state.finished.at(-1)?.state, "failed");
    });

  test("a finish job that fails is sent again; its second failure fails the run, and a resumed run repeats it", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 1 }));
    for (let at = 1; harness.state.phase !== "finish"; at++)
      harness.apply(harness.answer(harness.sent.at(-1)!, at));
    const fail = (attempt: number): RunEvent => {
      const outcome = { state: "failed", reason: "disk full" } as const;
      return { ...base, type: "FinishReported", isa: "isa", attempt, at: 20, outcome };
    };
    assert.equal(harness.apply(fail(1))[0]?.type, "finish");
    harness.apply(fail(2));
    assert.equal(harness.state.phase, "failed");
    assert.match(harness.state.failure ?? "", /disk full/);
    const [finish] = harness.apply({ ...base, type: "RunResumed", at: 30 });
    assert.equal(finish?.attempt, 3);
    harness.apply(harness.answer(finish!, 31));
    assert.equal(harness.state.phase, "done");
  });

  test("a finish job answered by another instruction set is sent again, at most six times", () => {
    const harness = new ReducerHarness(toyRequest({ maxTrials: 1 }));
    for (let at = 1; harness.state.phase !== "finish"; at++)
      harness.apply(harness.answer(harness.sent.at(-1)!, at));
    let [job] = harness.apply(harness.answer(harness.sent.at(-1)!, 20, "isa-b"));
    assert.deepEqual([job?.type, job?.attempt, harness.state.phase], ["finish", 2, "finish"]);
    const other = new ReducerHarness(toyRequest({ maxTrials: 1 }));
    for (let at = 1; other.state.phase !== "finish"; at++) other.apply(other.answer(other.sent.at(-1)!, at));
    harness.apply(harness.answer(job!, 21));
    assert.equal(harness.state.phase, "done");
    [job] = other.sent.slice(-1);
    for (let at = 30; job !== undefined; at++) [job] = other.apply(other.answer(job, at, "isa-b"));
    assert.equal(other.state.phase, "failed");
    assert.match(
      other.state.failure ?? "",
      /only workers of isa-b answered, and the run's results are of isa/,
    );
  });

  test("a cancelled run whose finish failed continues its search when it is resumed", () => {
    const harness = new ReducerHarness(toyRequest());
    for (let at = 1; at <= 5; at++) harness.apply(harness.answer(harness.sent.at(-1)!, at));
    harness.apply({ ...base, type: "CancelRequested", at: 6 });
    const outcome = { state: "failed", reason: "disk full" } as const;
    for (const attempt of [1, 2])
      harness.apply({ ...base, type: "FinishReported", isa: "isa", attempt, at: 7, outcome });
    assert.equal(harness.state.phase, "failed");
    const [again] = harness.apply({ ...base, type: "RunResumed", at: 100 });
    assert.equal(harness.state.phase, "search");
    assert.equal(again?.type, "trial");
  });
});
