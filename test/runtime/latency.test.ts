import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { measureLatencyRatio, type TimedModel } from "../../shared/runtime/latency.js";

/** A clock that only advances while a model runs. */
class Clock {
  milliseconds = 0;
  readonly now = (): number => this.milliseconds;

  /** A model whose n-th run takes `duration(n)` milliseconds. */
  model(duration: (run: number) => number): TimedModel & { runs: number } {
    const timed = {
      runs: 0,
      run: async () => {
        this.milliseconds += duration(timed.runs);
        timed.runs += 1;
        return {};
      },
    };
    return timed;
  }
}

function measure(clock: Clock, reference: TimedModel, candidate: TimedModel, seconds?: number) {
  return measureLatencyRatio(reference, candidate, {}, seconds, clock.now);
}

/** Tolerance for rounding errors of sums of milliseconds. */
const ROUNDING = 1e-9;

describe("The latency ratio", () => {
  test("is the reference's time divided by the candidate's; without variation its noise is 0", async () => {
    const clock = new Clock();
    const { ratio, noise, referenceMs, candidateMs } = await measure(
      clock,
      clock.model(() => 6),
      clock.model(() => 2),
    );
    assert.deepEqual(
      { ratio, noise, referenceMs, candidateMs },
      { ratio: 3, noise: 0, referenceMs: 6, candidateMs: 2 },
    );
  });

  test("of a model against itself is 1, even while the machine slows down steadily", async () => {
    const clock = new Clock();
    const slowing = () => 1 + clock.milliseconds / 1e6;
    const { ratio } = await measure(clock, clock.model(slowing), clock.model(slowing), 0.5);
    // The reference runs 4 ms before the candidate, in which the clock slows by 4e-6.
    assert.ok(Math.abs(ratio - 1) < 1e-5);
  });

  test("is robust to interruptions of fewer than half of the turns, including the first", async () => {
    const clock = new Clock();
    const interrupted = (run: number) => (run % 5 === 1 ? 50 : 4);
    const { ratio } = await measure(
      clock,
      clock.model(interrupted),
      clock.model(() => 4),
      3,
    );
    assert.ok(Math.abs(ratio - 1) < ROUNDING);
  });

  test("excludes the warm-up", async () => {
    const clock = new Clock();
    const { ratio } = await measure(
      clock,
      clock.model((run) => (run < 3 ? 1000 : 4)),
      clock.model(() => 4),
    );
    assert.ok(Math.abs(ratio - 1) < ROUNDING);
  });

  test("ends early at low noise, and uses its whole time at high noise", async () => {
    const quiet = new Clock();
    await measure(
      quiet,
      quiet.model(() => 4),
      quiet.model(() => 4),
    );
    // Two warm-ups of three runs for each model, then the fewest turns, 5.
    assert.equal(quiet.milliseconds, 4 * (2 * 2 * 3 + 2 * 5));
    const noisy = new Clock();
    const { noise } = await measure(
      noisy,
      noisy.model((run) => 4 + (run % 7)),
      noisy.model((run) => 4 + (run % 5)),
    );
    assert.ok(noise > 0.01);
    assert.ok(noisy.milliseconds >= 1000 && noisy.milliseconds < 1200);
  });

  test("runs a fast model several times per turn, bounded where the clock is too coarse to see a run", async () => {
    const clock = new Clock();
    const fast = clock.model(() => 0.5);
    await measure(
      clock,
      fast,
      clock.model(() => 4),
    );
    assert.equal(fast.runs, 2 * 3 + 5 * 8);
    const frozen = new Clock();
    const unseen = frozen.model(() => 0);
    await measureLatencyRatio(unseen, unseen, {}, 0, frozen.now);
    assert.ok(Number.isFinite(unseen.runs));
  });

  test("has a standard error that decreases with the square root of the number of turns", async () => {
    const clock = new Clock();
    const wavering = (run: number) => [3, 4, 5][run % 3]!;
    const noiseOf = async (seconds: number) =>
      (
        await measure(
          clock,
          clock.model(wavering),
          clock.model(() => 4),
          seconds,
        )
      ).noise;
    const [short, long] = [await noiseOf(0.1), await noiseOf(0.4)];
    assert.ok(long < short && Math.abs(short / long - 2) < 0.3, `${short} and ${long}`);
  });
});
