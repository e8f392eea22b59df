import { createRandomStream } from "../../shared/search/numerics/random.js";
import { VirtualClock } from "./simulated/virtual-clock.js";

/** How a fleet works, in milliseconds; what each figure is and where it was measured is in docs/fleet.md, "Scale". */
export interface ScaleTimes {
  /** An event source's way with a batch: receive, invoke, delete. */
  readonly invoke: number;
  /** A write or read of the store. */
  readonly store: number;
  /** A call of a queue, for up to ten messages. */
  readonly send: number;
  /** The coordinator's own processor time an event. */
  readonly reduce: number;
  /** The sampler's an ask. */
  readonly ask: number;
  /** Quantizing and opening the session: once a job, whatever part of the samples it scores. */
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

/** How many evaluators an event source lets work (runtime-facts.md, "AWS"). */
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
  /** What scoring a trial takes on one evaluator; its shards share it. */
  readonly trialMilliseconds: number;
  readonly shards: number;
  /** Trials in all, a multiple of the evaluators. */
  readonly trialsPerEvaluator: number;
  readonly ramp: Ramp;
  readonly times?: ScaleTimes;
}

export interface ScaleResult {
  /** Scoring done, over what all evaluators could have scored from the first job to the last report. */
  readonly efficiency: number;
  /** Of the time, how long the coordinator was at work: near 1, it is what binds. */
  readonly coordinatorBusy: number;
  readonly resultsPerSecond: number;
}

/** Events that a first-in-first-out event source hands over at once, and messages in a batch call. */
const BATCH = 10;
/** Calls a second of one message group; workers send their reports one by one (runtime-facts.md, "AWS"). */
const FIFO_CALLS_PER_SECOND = 300;
/** Reads and writes of the store around a job: claim (read, written), two opponents' rows, answer, rows. */
const STORE_CALLS_A_JOB = 6;
/** Trials asked for beyond those that evaluators work on, so that none waits for the coordinator. */
const ASKED_AHEAD = 0.25;
/** Trials take from so much less to so much more than their mean. */
const SPREAD = 0.25;

/** Somebody waits until somebody else puts something in. */
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
 * A fleet at work as a model in virtual time: one coordinator behind a first-in-first-out queue, evaluators behind a
 * ramp, and every step as long as it was measured. What is decided is left out; the simulation of faults runs it.
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
