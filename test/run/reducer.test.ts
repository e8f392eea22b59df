import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Command, markCarriedOut } from "../../shared/run/commands.js";
import { type Job, type JobReport, MESSAGE_VERSION, type RunEvent } from "../../shared/run/messages.js";
import { createReducer, type Reducer } from "../../shared/run/reducer.js";
import type { RunRequest } from "../../shared/run/request.js";
import type { RunState } from "../../shared/run/state.js";
import { answerToyJob } from "./toy-model.js";
import { type ToyRequestOptions, toyBill, toyCost, toyRequest, toyStudy } from "./toy-study.js";

fc.configureGlobal({ seed: 41 });

const base = { version: MESSAGE_VERSION, runId: "toy" } as const;
const requested = (request: RunRequest, at = 0): RunEvent => ({ ...base, type: "RunRequested", at, request });
const tick = (at: number): RunEvent => ({ ...base, type: "Tick", at });

function jobsOf(commands: readonly Command[]): readonly Job[] {
  return commands.flatMap((command) => (command.type === "WriteRecord" ? [] : [command.job]));
}

/** The reducer with its commands carried out, and the jobs that it sent. */
class Desk {
  readonly reduce: Reducer;
  readonly sent: Job[] = [];
  #state: RunState | undefined;

  constructor(
    readonly request: RunRequest,
    study = toyStudy,
  ) {
    this.reduce = createReducer(study);
    this.hear(requested(request));
  }

  get state(): RunState {
    assert.ok(this.#state);
    return this.#state;
  }

  hear(event: RunEvent): readonly Job[] {
    const { state, commands } = this.reduce(this.#state, event);
    assert.ok(state);
    this.#state = markCarriedOut(state, commands);
    const jobs = jobsOf(commands);
    this.sent.push(...jobs);
    return jobs;
  }

  answer(job: Job, at: number, isa = "isa-a"): JobReport {
    return answerToyJob(this.request, job, { worker: "w", isa, at });
  }
}

/** Answers the jobs one after the other, always the one that `pick` chooses, until the run ends. */
function runToEnd(desk: Desk, pick: (open: number) => number = () => 0): readonly JobReport[] {
  const reports: JobReport[] = [];
  const open = [...desk.sent];
  for (let at = 1; open.length > 0; at++) {
    const [job] = open.splice(pick(open.length), 1);
    assert.ok(job);
    const report = desk.answer(job, at);
    reports.push(report);
    open.push(...desk.hear(report));
  }
  return reports;
}

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

function picker(picks: readonly number[]): (open: number) => number {
  let i = 0;
  return (open) => (picks[i++] ?? 0) % open;
}

describe("the course of a run", () => {
  test("gathers statistics, scores float and base, then asks, then finishes", () => {
    const desk = new Desk(toyRequest({ statisticsShards: 2, maxTrials: 5, parallel: 2 }));
    runToEnd(desk);
    const kinds = desk.sent.map((job) => (job.type === "trial" ? job.trial : job.type));
    assert.deepEqual(kinds, ["statistics", "statistics", 0, 1, 2, 3, 4, 5, "finish"]);
    assert.equal(desk.state.phase, "done");
    assert.equal(desk.state.stop, "max_trials");
    const [float, first] = desk.sent.filter((job) => job.type === "trial");
    assert.equal(float?.configuration, null);
    assert.deepEqual(first?.configuration, desk.request.base);
  });

  test("hands the best trials to the finish job, best first", () => {
    const desk = new Desk(toyRequest({ maxTrials: 12 }));
    runToEnd(desk);
    const finish = desk.sent.at(-1);
    assert.ok(finish?.type === "finish");
    assert.equal(finish.candidates[0]?.trial, desk.state.best?.number);
    assert.equal(finish.candidates.length, 3);
  });

  test("races trials after the references, against the incumbent's rows of the same shard", () => {
    const desk = new Desk(toyRequest({ maxTrials: 8, shards: 2 }));
    runToEnd(desk);
    for (const job of desk.sent) {
      if (job.type !== "trial") continue;
      assert.equal(job.race !== undefined, job.trial >= 2);
      if (job.race === undefined) continue;
      assert.match(
        job.race.referenceScores,
        new RegExp(`^runs/toy/scores/0/${job.shard.index}-[0-9a-f]{12}\\.json$`),
      );
      assert.equal(job.race.delta, 0.025);
      if (job.race.incumbent !== undefined)
        assert.match(
          job.race.incumbent.scores,
          new RegExp(`/${job.race.incumbent.trial}/${job.shard.index}-`),
        );
    }
  });

  test("records how many trials had ended when each was asked for", () => {
    const desk = new Desk(toyRequest({ maxTrials: 6, parallel: 3 }));
    runToEnd(desk);
    const seen = [...desk.state.finished].sort((a, b) => a.number - b.number).map((trial) => trial.seen);
    assert.deepEqual(seen, [0, 0, 2, 2, 2, 3, 4]);
  });

  test("ends when the space is exhausted", () => {
    const desk = new Desk(toyRequest({ groups: 1, maxTrials: 25 }));
    runToEnd(desk);
    assert.equal(desk.state.stop, "space_exhausted");
    // Six quantized configurations and the float one, which the sampler knows as trial 0.
    assert.equal(desk.state.finished.length, 7);
  });

  test("fails when the float model cannot be scored", () => {
    const desk = new Desk(toyRequest());
    desk.hear(desk.answer(desk.sent[0]!, 1));
    for (const attempt of [1, 2]) desk.hear(failure(0, attempt, "no such op"));
    assert.equal(desk.state.phase, "failed");
    assert.match(desk.state.failure ?? "", /no such op/);
  });
});

function failure(trial: number, attempt: number, reason: string, at = 10): RunEvent {
  const outcome = { state: "failed", reason } as const;
  const shard = { index: 0, count: 1 };
  return { ...base, type: "TrialReported", trial, attempt, shard, worker: "w", isa: "isa-a", at, outcome };
}

describe("stopping", () => {
  test("after max_minutes no trial is asked for, and the running one is waited for", () => {
    const desk = new Desk(toyRequest({ optimizer: { maxMinutes: 1 } }));
    const [statistics] = desk.sent;
    const [float] = desk.hear(desk.answer(statistics!, 1_000));
    const [first] = desk.hear(desk.answer(float!, 2_000));
    assert.deepEqual(desk.hear(tick(60_000)), []);
    assert.equal(desk.state.phase, "search");
    const [finish] = desk.hear(desk.answer(first!, 61_000));
    assert.equal(finish?.type, "finish");
    assert.equal(desk.state.stop, "max_minutes");
  });

  test("time in which no process carried the run does not count", () => {
    const desk = new Desk(toyRequest({ optimizer: { maxMinutes: 1 } }));
    desk.hear({ ...base, type: "RunResumed", at: 3_600_000 });
    const [float] = desk.hear(desk.answer(desk.sent[0]!, 3_601_000));
    assert.equal(float?.type, "trial");
  });

  test("stop_on_target ends the search with the first trial that meets both bounds", () => {
    const desk = new Desk(toyRequest({ maxTrials: 60, optimizer: { stopOnTarget: true, accuracyLoss: 50 } }));
    runToEnd(desk);
    assert.equal(desk.state.stop, "stop_on_target");
    const last = desk.state.finished.at(-1);
    assert.ok(last?.state === "complete");
    assert.equal(last.number, desk.state.best?.number);
  });

  test("cancelling finishes at once with the best so far, and what still comes is kept", () => {
    const desk = new Desk(toyRequest({ parallel: 2 }));
    desk.hear(desk.answer(desk.sent[0]!, 1));
    const [, float, first] = desk.sent;
    desk.hear(desk.answer(float!, 2));
    const [third, fourth] = desk.hear(desk.answer(first!, 3));
    const [finish] = desk.hear({ ...base, type: "CancelRequested", at: 4 });
    assert.ok(finish?.type === "finish");
    assert.deepEqual(
      finish.candidates.map(({ trial }) => trial),
      [1],
    );
    desk.hear(desk.answer(third!, 5));
    desk.hear(desk.answer(finish, 6));
    desk.hear(desk.answer(fourth!, 7));
    assert.equal(desk.state.phase, "done");
    assert.deepEqual(
      desk.state.finished.map(({ number }) => number),
      [0, 1, 2, 3],
    );
  });

  test("a cancelled run that is resumed sends its running trials again and ends as if it had not been", () => {
    const undisturbed = new Desk(toyRequest());
    runToEnd(undisturbed);

    const desk = new Desk(toyRequest());
    for (let at = 1; at <= 5; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    const running = desk.sent.at(-1);
    const [finish] = desk.hear({ ...base, type: "CancelRequested", at: 6 });
    desk.hear(desk.answer(finish!, 7));
    assert.equal(desk.state.phase, "done");
    const [again] = desk.hear({ ...base, type: "RunResumed", at: 100 });
    assert.ok(again?.type === "trial" && running?.type === "trial");
    assert.deepEqual([again.trial, again.configuration], [running.trial, running.configuration]);
    let [job] = [again as Job];
    for (let at = 101; job !== undefined; at++) [job] = [...desk.hear(desk.answer(job, at))] as [Job];
    assert.equal(desk.state.stop, "max_trials");
    const course = (state: RunState) =>
      state.finished.map(({ number, configuration }) => [number, configuration]);
    assert.deepEqual(course(desk.state), course(undisturbed.state));
  });

  test("the budget stops asking before it is exceeded", () => {
    const desk = new Desk(toyRequest({ maxTrials: 60, parallel: 3, cost: toyCost(20) }));
    const open = [...desk.sent];
    let billed = 0;
    for (let at = 1; open.length > 0; at++) {
      const job = open.shift()!;
      billed += 1_000;
      open.push(...desk.hear({ ...desk.answer(job, at), billed: toyBill(1_000) }));
    }
    assert.equal(desk.state.stop, "max_cost_usd");
    assert.equal(desk.state.spend.billedMilliseconds, billed);
    assert.equal(desk.state.spend.usd, billed / 1_000);
    assert.ok(billed <= 20_000);
    assert.ok(billed >= 16_000, "what is kept for the finish is as much as five models' scores cost");
  });
});

describe("jobs that go wrong", () => {
  function atTrial(number: number, options: ToyRequestOptions = {}): { desk: Desk; job: Job } {
    const desk = new Desk(toyRequest(options));
    for (let at = 1; ; at++) {
      const job = desk.sent.at(-1)!;
      if (job.type === "trial" && job.trial === number) return { desk, job };
      desk.hear(desk.answer(job, at));
    }
  }

  test("a trial that fails once is sent again, with the same configuration", () => {
    const { desk, job } = atTrial(3);
    const [again] = desk.hear(failure(3, 1, "out of memory"));
    assert.ok(again?.type === "trial" && job.type === "trial");
    assert.deepEqual([again.trial, again.attempt, again.configuration], [3, 2, job.configuration]);
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
      return { ...base, type: "FinishReported", attempt, at: 20, outcome };
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

  test("a run that was cancelled and whose finish failed searches on when it is resumed", () => {
    const desk = new Desk(toyRequest());
    for (let at = 1; at <= 5; at++) desk.hear(desk.answer(desk.sent.at(-1)!, at));
    desk.hear({ ...base, type: "CancelRequested", at: 6 });
    const outcome = { state: "failed", reason: "disk full" } as const;
    for (const attempt of [1, 2]) desk.hear({ ...base, type: "FinishReported", attempt, at: 7, outcome });
    assert.equal(desk.state.phase, "failed");
    const [again] = desk.hear({ ...base, type: "RunResumed", at: 100 });
    assert.equal(desk.state.phase, "search");
    assert.equal(again?.type, "trial");
  });
});

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
          const reduction = createReducer(toyStudy)(state, event);
          assert.ok(reduction.state);
          state = markCarriedOut(reduction.state, reduction.commands);
        }
        assert.ok(state);
        assert.deepEqual(summary(state), summary(desk.state));
      }),
      { numRuns: 30 },
    );
  });

  test("a state that was left and taken up again asks the same", () => {
    const desk = new Desk(toyRequest({ maxTrials: 15, parallel: 3 }));
    const reports = runToEnd(desk);
    const reduce = createReducer(toyStudy);
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
