import { createRandomStream } from "../../shared/search/numerics/random.js";
import { VirtualClock } from "./simulated/virtual-clock.js";

/** Durations of a fleet's steps in milliseconds. */
export interface ScaleTimes {
  /** An event source's time per batch: receive, invoke, delete. */
  readonly invoke: number;
  /** A write or read of the store. */
  readonly store: number;
  /** A call of a queue, for up to ten messages. */
  readonly send: number;
  /** The coordinator's processor time per event. */
  readonly reduce: number;
  /** The sampler's time per ask. */
  readonly ask: number;
  /** Quantizing and opening the session, once per job whatever its number of samples. */
  readonly prepare: number;
}

export const MEASURED_TIMES: ScaleTimes = {
  invoke: 10,
  store: 20,
  send: 10,
  reduce: 0.5,
  ask: 1.3,
  prepare: 57,
};

/** Number of concurrent evaluators that an event source allows: at first, and added per minute. */
export interface Ramp {
  readonly start: number;
  readonly perMinute: number;
}

export const RAMPS = {
  standard: { start: 5, perMinute: 300 },
  provisioned: { start: 5, perMinute: 900 },
  none: { start: Number.POSITIVE_INFINITY, perMinute: 0 },
} as const satisfies Record<string, Ramp>;

export interface ScaleOptions {
  readonly evaluators: number;
  /** Time to score a trial on one evaluator; shards divide it. */
  readonly trialMilliseconds: number;
  readonly shards: number;
  /** Number of trials as a multiple of the number of evaluators. */
  readonly trialsPerEvaluator: number;
  readonly ramp: Ramp;
  readonly times?: ScaleTimes;
}

export interface ScaleResult {
  /** Time spent scoring, divided by the time of all evaluators from the first job to the last report. */
  readonly efficiency: number;
  /** Share of the time in which the coordinator was busy; near 1 it is the bottleneck. */
  readonly coordinatorBusy: number;
  readonly resultsPerSecond: number;
}

/** Maximum number of events per invocation, and of messages per batch call, behind a FIFO queue. */
const BATCH = 10;
/** Calls per second allowed for one message group; workers send each report by a call of its own. */
const FIFO_CALLS_PER_SECOND = 300;
/** Store calls per job: claim (read, written), rows of two other trials, answer, rows. */
const STORE_CALLS_A_JOB = 6;
/** Share of trials opened beyond those in work, so that no evaluator waits for the coordinator. */
const ASKED_AHEAD = 0.25;
/** Relative spread of the durations of trials around their mean. */
const SPREAD = 0.25;

/** A queue in virtual time: `take` waits until something was put in. */
class Mailbox<Item> {
  readonly #items: Item[] = [];
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  put(item: Item): void {
    this.#items.push(item);
    this.#waiting.shift()?.();
  }

  async take(most: number): Promise<Item[]> {
    while (this.#items.length === this.#taken)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const end = Math.min(this.#items.length, this.#taken + most);
    const taken = this.#items.slice(this.#taken, end);
    this.#taken = end;
    if (this.#items.length > end) this.#waiting.shift()?.();
    return taken;
  }
}

/**
 * Simulates a fleet in virtual time: one coordinator behind a FIFO queue, evaluators whose number is ramped
 * up, and every step with its measured duration. The coordinator's decisions are left out; the simulation of
 * faults covers them.
 */
export async function simulateScale(options: ScaleOptions): Promise<ScaleResult> {
  const { evaluators, trialMilliseconds, shards, ramp, times = MEASURED_TIMES } = options;
  const clock = new VirtualClock(0);
  const random = createRandomStream(1, 0, "noise");
  const trials = evaluators * options.trialsPerEvaluator;
  const inFlight = Math.ceil((evaluators / shards) * (1 + ASKED_AHEAD));
  const jobs = new Mailbox<{ readonly trial: number; readonly milliseconds: number }>();
  const events = new Mailbox<number>();
  const left = new Map<number, number>();
  let asked = 0;
  let ended = 0;
  let scored = 0;
  let busy = 0;
  let fifoFreeAt = 0;

  const ask = (): void => {
    const trial = asked++;
    left.set(trial, shards);
    const whole = trialMilliseconds * (1 + SPREAD * (2 * random.uniform() - 1));
    for (let shard = 0; shard < shards; shard++) jobs.put({ trial, milliseconds: whole / shards });
  };

  const evaluate = async (startsAt: number): Promise<void> => {
    await clock.sleep(startsAt);
    for (;;) {
      const [job] = await jobs.take(1);
      if (job === undefined) continue;
      await clock.sleep(times.invoke + STORE_CALLS_A_JOB * times.store + times.prepare + job.milliseconds);
      scored += job.milliseconds;
      fifoFreeAt = Math.max(clock.now(), fifoFreeAt + 1_000 / FIFO_CALLS_PER_SECOND);
      await clock.sleep(fifoFreeAt - clock.now() + times.send);
      events.put(job.trial);
    }
  };

  const coordinate = async (): Promise<void> => {
    while (ended < trials) {
      const batch = await events.take(BATCH);
      const startedAt = clock.now();
      let over = 0;
      for (const trial of batch) {
        const waiting = (left.get(trial) ?? 0) - 1;
        left.set(trial, waiting);
        if (waiting === 0) over++;
      }
      const asks = Math.min(over, trials - asked);
      // The sampler is asked while the state is saved.
      const saved = Math.max(times.store, asks * times.ask);
      await clock.sleep(times.invoke + batch.length * times.reduce + saved);
      await clock.sleep(Math.ceil((asks * shards) / BATCH) * times.send);
      for (let i = 0; i < asks; i++) ask();
      ended += over;
      busy += clock.now() - startedAt;
    }
  };

  for (let i = 0; i < Math.min(inFlight, trials); i++) ask();
  for (let i = 0; i < evaluators; i++)
    void evaluate(i < ramp.start ? 0 : ((i - ramp.start) / ramp.perMinute) * 60_000);
  void coordinate();
  await clock.runUntil(() => ended >= trials);
  const wall = clock.now();
  return {
    efficiency: scored / (evaluators * wall),
    coordinatorBusy: busy / wall,
    resultsPerSecond: (1_000 * trials * shards) / wall,
  };
}
