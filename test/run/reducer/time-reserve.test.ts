import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { toyRequest } from "../toy-study.js";
import { ReducerHarness } from "./reducer-harness.js";

const MINUTE = 60_000;

/** Durations in seconds on an idle machine. */
interface Pace {
  readonly statistics: number;
  readonly preparation: number;
  readonly sample: number;
  /** Factor on all durations, by the minutes since the run started. */
  readonly load: (minutes: number) => number;
}

const QUIET: Pace = { statistics: 20, preparation: 0.2, sample: 0.02, load: () => 1 };

/**
 * Simulates a run in virtual time with `workers` workers, which answer each job after its duration.
 *
 * @returns the minutes until the run had ended, and the number of quantized models in its finish
 */
function simulateRun(request: RunRequest, workers: number, pace: Pace) {
  const harness = new ReducerHarness(request);
  const noise = createRandomStream(1, 0, "noise");
  const waiting = [...harness.sent];
  const busy: { readonly report: JobReport; readonly at: number }[] = [];
  let now = 0;
  for (;;) {
    while (busy.length < workers && waiting.length > 0) {
      const job = waiting.shift()!;
      const slow = pace.load(now / MINUTE) * (0.8 + 0.4 * noise.uniform());
      const report = worked(harness, job, pace, slow);
      const at = Math.round(now + 1_000 * report.seconds);
      busy.push({ report: { ...report.report, at }, at });
    }
    const [next] = busy.sort((a, b) => a.at - b.at).splice(0, 1);
    if (next === undefined) break;
    now = next.at;
    waiting.push(...harness.apply(next.report));
  }
  assert.equal(harness.state.phase, "done");
  return { minutes: now / MINUTE, harness, finalists: harness.state.finishing!.candidates.length };
}

function worked(
  harness: ReducerHarness,
  job: Job,
  { statistics, preparation, sample }: Pace,
  slow: number,
): { readonly report: JobReport; readonly seconds: number } {
  const report = harness.answer(job, 0);
  if (job.type === "statistics") return { report, seconds: slow * statistics };
  if (job.type === "finish") {
    const models = job.candidates.length + 1;
    const { samples, latencySeconds } = harness.request.finish!;
    const validating = (models + 1) * samples * sample;
    return { report, seconds: slow * (validating + models * (latencySeconds + 7 * preparation)) };
  }
  assert.ok(report.type === "TrialReported" && report.outcome.state !== "failed");
  const inference = slow * sample * report.outcome.samples;
  const timings = {
    quantize: (slow * preparation) / 2,
    session: (slow * preparation) / 2,
    inference,
    total: slow * preparation + inference,
  };
  return { report: { ...report, outcome: { ...report.outcome, timings } }, seconds: timings.total };
}

function limited(maxMinutes: number, options: Parameters<typeof toyRequest>[0] = {}): RunRequest {
  return toyRequest({
    maxTrials: 10_000,
    groups: 40,
    samples: 60,
    finish: { samples: 300, latencySeconds: 0.1 },
    ...options,
    optimizer: { maxMinutes },
  });
}

describe("a run with max_minutes", () => {
  for (const workers of [1, 4])
    test(`ends within the limit with ${workers} worker(s), and uses most of it`, () => {
      const request = limited(9, { parallel: workers === 1 ? 1 : workers + 1 });
      const { minutes, harness } = simulateRun(request, workers, QUIET);
      assert.equal(harness.state.stop, "max_minutes");
      assert.ok(minutes <= 9 && minutes >= 8, `${minutes}`);
    });

  test("ends within the limit if everything takes three times as long from the third minute on", () => {
    const load = (minutes: number): number => (minutes < 3 ? 1 : 3);
    const { minutes } = simulateRun(limited(9, { parallel: 3 }), 2, { ...QUIET, load });
    assert.ok(minutes <= 9 && minutes >= 7, `${minutes}`);
  });

  test("ends within the limit if statistics take half of it and the finish a quarter", () => {
    const request = limited(9, { parallel: 3, finish: { samples: 1_000, latencySeconds: 0.1 } });
    const { minutes, finalists } = simulateRun(request, 2, { ...QUIET, statistics: 270 });
    assert.ok(minutes <= 9 && minutes >= 7, `${minutes}`);
    assert.equal(finalists, 3);
  });

  test("validates fewer finalists if there is no time for all", () => {
    const finish = { samples: 1_000, latencySeconds: 0.1 };
    const { minutes, harness, finalists } = simulateRun(limited(2.2, { parallel: 2, finish }), 2, QUIET);
    assert.ok(minutes <= 2.2, `${minutes}`);
    assert.ok(finalists < 3 && harness.state.finished.length >= 2, `${finalists}`);
  });

  test("scores the float model and the base and writes the base if statistics used up the limit", () => {
    const { harness, finalists } = simulateRun(limited(0.1), 1, QUIET);
    assert.deepEqual([harness.state.stop, harness.state.finished.length, finalists], ["max_minutes", 2, 1]);
  });

  test("does not count a pause between two processes as a trial's time", () => {
    const harness = new ReducerHarness(limited(9));
    let at = 0;
    const answer = (job: Job, seconds: number): readonly Job[] => {
      at += 1_000 * seconds;
      return harness.apply({ ...worked(harness, job, QUIET, 1).report, at });
    };
    let [job] = harness.sent;
    for (let i = 0; i < 6; i++) [job] = answer(job!, 2);
    at += 1_000 * MINUTE;
    [job] = harness.apply({ version: 1, runId: "toy", type: "RunResumed", at });
    for (let i = 0; i < 6; i++) [job] = answer(job!, 2);
    assert.equal(harness.state.stop, undefined);
    assert.equal(job?.type, "trial");
  });
});
