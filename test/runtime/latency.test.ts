import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  compareLatencies,
  measureLatencyRatio,
  ratioInterval,
  type TimedModel,
  timeInTurn,
} from "../../shared/runtime/latency.js";
import { createRandomStream } from "../../shared/search/numerics/random.js";

/** A clock that only running models move on. */
class Clock {
  milliseconds = 0;
  readonly now = (): number => this.milliseconds;

  /** A model whose n-th run takes as long as `duration` says. */
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
  return measureLatencyRatio(reference, candidate, {}, { seconds, now: clock.now });
}

/** Sums of milliseconds in binary fractions. */
const ROUNDING = 1e-9;

describe("The latency ratio", () => {
  test("is the reference's time over the candidate's, with the noise between sessions alone where there is none", async () => {
    const clock = new Clock();
    const { ratio, noise, referenceMs, candidateMs } = await measure(
      clock,
      clock.model(() => 6),
      clock.model(() => 2),
    );
    assert.deepEqual({ ratio, referenceMs, candidateMs }, { ratio: 3, referenceMs: 6, candidateMs: 2 });
    assert.ok(noise > 0 && noise < 0.02);
  });

  test("of a model against itself is 1, even on a machine that slows down all the while", async () => {
    const clock = new Clock();
    const slowing = () => 1 + clock.milliseconds / 1e6;
    const { ratio } = await measure(clock, clock.model(slowing), clock.model(slowing), 0.5);
    assert.ok(Math.abs(ratio - 1) < 1e-4);
  });

  test("is not moved by interruptions of seven samples in ten", async () => {
    const clock = new Clock();
    const interrupted = (run: number) => (run % 10 < 3 ? 4 : 50 + (run % 7));
    const { ratio } = await measure(
      clock,
      clock.model(interrupted),
      clock.model(() => 4),
      6,
    );
    assert.ok(Math.abs(ratio - 1) < 0.01, `${ratio}`);
  });

  test("does not count the warm-up", async () => {
    const clock = new Clock();
    const { ratio } = await measure(
      clock,
      clock.model((run) => (run < 3 ? 1000 : 4)),
      clock.model(() => 4),
    );
    assert.ok(Math.abs(ratio - 1) < ROUNDING);
  });

  test("ends early once it is known, and goes on to its time where it is noisy", async () => {
    const quiet = new Clock();
    await measure(
      quiet,
      quiet.model(() => 4),
      quiet.model(() => 4),
    );
    // A warm-up of three inferences and two more of each model, then the fewest samples, 50.
    assert.equal(quiet.milliseconds, 4 * 2 * (3 + 2 + 50));
    const noisy = new Clock();
    const { noise } = await measure(
      noisy,
      noisy.model((run) => 4 + ((run * 37) % 101) / 10),
      noisy.model((run) => 4 + ((run * 53) % 97) / 10),
    );
    assert.ok(noise > 0.015);
    assert.ok(noisy.milliseconds >= 1000 && noisy.milliseconds < 1300, `${noisy.milliseconds}`);
  });

  test("of slow models ends at its time limit, after ten samples of each", async () => {
    const clock = new Clock();
    const [slow, slower] = [clock.model(() => 400), clock.model(() => 800)];
    const { ratio } = await measure(clock, slower, slow, 0.5);
    assert.ok(Math.abs(ratio - 2) < ROUNDING);
    // A warm-up of three inferences, two more, then ten samples.
    assert.deepEqual([slow.runs, slower.runs], [15, 15]);
  });

  test("fills a sample with several inferences of a fast model, and with as many where the clock sees none", async () => {
    const clock = new Clock();
    const fast = clock.model(() => 0.03);
    await measure(
      clock,
      fast,
      clock.model(() => 4),
    );
    assert.equal(fast.runs, 3 + 2 + 50 * 2);
    const frozen = new Clock();
    const unseen = frozen.model(() => 0);
    await measureLatencyRatio(unseen, unseen, {}, { seconds: 0, now: frozen.now });
    assert.ok(Number.isFinite(unseen.runs));
  });

  test("has a 95 % interval around it that holds the ratio of another measurement", async () => {
    const random = createRandomStream(7, 0, "sampler");
    let covered = 0;
    for (let repetition = 0; repetition < 100; repetition++) {
      const clock = new Clock();
      // Interruptions come at random, half of the time.
      const model = (milliseconds: number) =>
        clock.model(
          () =>
            milliseconds * (1 + (random.uniform() < 0.5 ? 5 * random.uniform() : 0.02 * random.uniform())),
        );
      const [low, high] = ratioInterval(await measure(clock, model(3), model(2)));
      if (low <= 1.5 && 1.5 <= high) covered++;
    }
    assert.ok(covered >= 95, `${covered} of 100`);
  });

  test("of several models is against the first, all timed in turn", async () => {
    const clock = new Clock();
    const samples = await timeInTurn(
      [8, 4, 2].map((ms) => clock.model(() => ms)),
      {},
      { now: clock.now },
    );
    const [reference, ...others] = samples;
    assert.deepEqual(
      others.map((candidate) => compareLatencies(reference!, candidate).ratio),
      [2, 4],
    );
    assert.deepEqual(
      samples.map(({ length }) => length),
      [50, 50, 50],
    );
  });
});
