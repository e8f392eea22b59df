import type { RandomStream } from "../../shared/search/numerics/random.js";
import { type ToyRequestOptions, toyCost, toyRequest } from "../run/toy-study.js";

/** How probable each fault is, each time it could happen. */
export interface Faults {
  /** A process ends before or after an effect (a call of store or queue), or stands still before it. */
  readonly coordinatorDies: number;
  readonly coordinatorHangs: number;
  readonly workerDies: number;
  readonly workerHangs: number;
  /** A worker reports that it could not do the job. */
  readonly jobFails: number;
  readonly messageLost: number;
  readonly messageDoubled: number;
  readonly messageDelayed: number;
  readonly sendFails: number;
  /** The store answers 503 (having written or not), 409, or late. */
  readonly storeUnavailable: number;
  readonly storeConflict: number;
  readonly storeSlow: number;
  /** An upload or download ends in the middle: nothing is written, nothing returned. */
  readonly storeCut: number;
  /** Messages that are no messages, or of another run. */
  readonly junk: number;
}

/** What one simulated run is like; drawn from the seed. */
export interface Weather {
  readonly faults: Faults;
  readonly request: ReturnType<typeof toyRequest>;
  readonly sampler: "hill climber" | "tpe";
  readonly workers: number;
  /** How many of the workers compute with another instruction set than the run's. */
  readonly foreignWorkers: number;
  /** The trial that no worker survives, or that every worker fails. */
  readonly poison: { readonly trial: number; readonly kills: boolean } | undefined;
  /** How far the clock of who asks for the run, and cancels it, is ahead; milliseconds. */
  readonly senderAhead: number;
  /** When the run is cancelled, in milliseconds from its start. */
  readonly cancelAfter: number | undefined;
  readonly trialMilliseconds: number;
  /** How long the function that works may take for a job. */
  readonly invocationMilliseconds: number;
  /** Trials side by side from which on what they were asked with lies in records of its own. */
  readonly manyRunning: number;
  /** Trials asked for with one save. */
  readonly mostAsked: number;
}

/** One simulated run in this many asks users' own sampler, which is slower than the toy one. */
const TPE_EVERY = 25;

const HOUR_MILLISECONDS = 3_600_000;

export function drawWeather(seed: number, random: RandomStream): Weather {
  // Each fault is absent from half of the runs, so that faults meet in all combinations and none hides others.
  const fault = (most: number): number => (random.uniform() < 0.5 ? 0 : most * random.uniform());
  const faults: Faults = {
    coordinatorDies: fault(0.04),
    coordinatorHangs: fault(0.02),
    workerDies: fault(0.04),
    workerHangs: fault(0.03),
    jobFails: fault(0.1),
    messageLost: fault(0.08),
    messageDoubled: fault(0.3),
    messageDelayed: fault(0.5),
    sendFails: fault(0.05),
    storeUnavailable: fault(0.1),
    storeConflict: fault(0.1),
    storeSlow: fault(0.1),
    storeCut: fault(0.03),
    junk: fault(0.2),
  };
  const parallel = 1 + random.below(5);
  // Some runs are long enough to write several segments of records.
  const maxTrials = 1 + random.below(random.uniform() < 0.1 ? 60 : 16);
  const isForeign = random.uniform() < 0.15;
  const trialMilliseconds = 500 + 8_000 * random.uniform();
  const shards = 1 + random.below(3);
  const usdATrial = (shards * trialMilliseconds) / 1_000;
  // From what the finish alone costs to more than all trials do.
  const cost =
    random.uniform() < 0.3 ? toyCost(usdATrial * (6 + 1.2 * maxTrials * random.uniform())) : undefined;
  const options: ToyRequestOptions = {
    runId: `simulated-${seed}`,
    seed,
    groups: 1 + random.below(4),
    samples: 12 + random.below(30),
    maxTrials,
    parallel,
    shards,
    statisticsShards: 1 + random.below(3),
    optimizer: {
      race: random.uniform() < 0.7,
      stopOnTarget: random.uniform() < 0.2,
      maxMinutes: random.uniform() < 0.1 ? 1 + random.below(5) : 0,
    },
    // Without it the first answer would decide, and the run could be the foreign workers'.
    ...(isForeign ? { isa: "isa-a" } : {}),
    ...(cost === undefined ? {} : { cost }),
    // Some requests do not say what the finish has to do.
    ...(seed % 2 === 0 ? {} : { finish: { samples: 20 * (seed % 8), latencySeconds: seed % 3 } }),
  };
  return {
    faults,
    request: { ...toyRequest(options), timeouts: { statistics: 90_000, trial: 90_000, finish: 90_000 } },
    sampler: seed % TPE_EVERY === 0 ? "tpe" : "hill climber",
    workers: 1 + random.below(6),
    foreignWorkers: isForeign ? 1 : 0,
    poison:
      random.uniform() < 0.2
        ? { trial: random.below(maxTrials + 1), kills: random.uniform() < 0.5 }
        : undefined,
    senderAhead: HOUR_MILLISECONDS * ((seed % 5) - 2),
    cancelAfter: random.uniform() < 0.1 ? 1_000 + 60_000 * random.uniform() : undefined,
    trialMilliseconds,
    // In some runs it is too short for the longest jobs, which are handed back.
    invocationMilliseconds: random.uniform() < 0.1 ? 15_000 + 1.2 * trialMilliseconds : 120_000,
    manyRunning: 1 + (seed % 4),
    // With a budget, all at once, so that what was heard before each save is known to the ledger.
    mostAsked: cost === undefined ? 1 + (seed % 3) : Infinity,
  };
}
