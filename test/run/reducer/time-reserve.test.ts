import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Job, JobReport } from "../../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { toyRequest } from "../toy-study.js";
import { Desk } from "./reducer-desk.js";

const MINUTE = 60_000;

/** Seconds that work takes on a machine where nothing else runs. */
interface Pace {
  readonly statistics: number;
  readonly preparation: number;
  readonly sample: number;
  /** How many times longer everything takes, by the minutes since the run began. */
  readonly load: (minutes: number) => number;
}

const QUIET: Pace = { statistics: 20, preparation: 0.2, sample: 0.02, load: () => 1 };

/**
 * Carries a run in virtual time on so many workers, which answer each job after the time that its work takes.
 * @returns the minutes until the run had ended, and how many quantized models its finish examined
 */
function carry(request: RunRequest, workers: number, pace: Pace) {
  const desk = new Desk(request);
  const noise = createRandomStream(1, 0, "noise");
  const waiting = [...desk.sent];
  const busy: { readonly report: JobReport; readonly at: number }[] = [];
  let now = 0;
  for (;;) {
    while (busy.length < workers && waiting.length > 0) {
      const job = waiting.shift()!;
      const slow = pace.load(now / MINUTE) * (0.8 + 0.4 * noise.uniform());
      const report = worked(desk, job, pace, slow);
      const at = Math.round(now + 1_000 * report.seconds);
      busy.push({ report: { ...report.report, at }, at });
    }
    const [next] = busy.sort((a, b) => a.at - b.at).splice(0, 1);
    if (next === undefined) break;
    now = next.at;
    waiting.push(...desk.hear(next.report));
  }
  assert.equal(desk.state.phase, "done");
  return { minutes: now / MINUTE, desk, finalists: desk.state.finishing!.candidates.length };
}

function worked(
  desk: Desk,
  job: Job,
  { statistics, preparation, sample }: Pace,
  slow: number,
): { readonly report: JobReport; readonly seconds: number } {
  const report = desk.answer(job, 0);
  if (job.type === "statistics") return { report, seconds: slow * statistics };
  if (job.type === "finish") {
    const models = job.candidates.length + 1;
    const { samples, latencySeconds } = desk.request.finish!;
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
    test(`ends within them with ${workers} worker(s), and uses most of them`, () => {
      const request = limited(9, { parallel: workers === 1 ? 1 : workers + 1 });
      const { minutes, desk } = carry(request, workers, QUIET);
      assert.equal(desk.state.stop, "max_minutes");
      assert.ok(minutes <= 9 && minutes >= 8, `${minutes}`);
    });

  test("ends within them where everything takes three times as long from the third minute on", () => {
    const load = (minutes: number): number => (minutes < 3 ? 1 : 3);
    const { minutes } = carry(limited(9, { parallel: 3 }), 2, { ...QUIET, load });
    assert.ok(minutes <= 9 && minutes >= 7, `${minutes}`);
  });

  test("ends within them where statistics take half of them, and the finish a quarter", () => {
    const request = limited(9, { parallel: 3, finish: { samples: 1_000, latencySeconds: 0.1 } });
    const { minutes, finalists } = carry(request, 2, { ...QUIET, statistics: 270 });
    assert.ok(minutes <= 9 && minutes >= 7, `${minutes}`);
    assert.equal(finalists, 3);
  });

  test("validates fewer finalists where there is no time for all of them", () => {
    const finish = { samples: 1_000, latencySeconds: 0.1 };
    const { minutes, desk, finalists } = carry(limited(2.2, { parallel: 2, finish }), 2, QUIET);
    assert.ok(minutes <= 2.2, `${minutes}`);
    assert.ok(finalists < 3 && desk.state.finished.length >= 2, `${finalists}`);
  });

  test("scores the float model and the base, and writes the base, where statistics took all of them", () => {
    const { desk, finalists } = carry(limited(0.1), 1, QUIET);
    assert.deepEqual([desk.state.stop, desk.state.finished.length, finalists], ["max_minutes", 2, 1]);
  });

  test("counts no time between two processes as a trial's", () => {
    const desk = new Desk(limited(9));
    let at = 0;
    const answer = (job: Job, seconds: number): readonly Job[] => {
      at += 1_000 * seconds;
      return desk.hear({ ...worked(desk, job, QUIET, 1).report, at });
    };
    let [job] = desk.sent;
    for (let i = 0; i < 6; i++) [job] = answer(job!, 2);
    at += 1_000 * MINUTE;
    [job] = desk.hear({ version: 1, runId: "toy", type: "RunResumed", at });
    for (let i = 0; i < 6; i++) [job] = answer(job!, 2);
    assert.equal(desk.state.stop, undefined);
    assert.equal(job?.type, "trial");
  });
});
