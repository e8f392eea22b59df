import type { RandomStream } from "../../shared/search/numerics/random.js";
import { type ToyRequestOptions, toyCost, toyRequest } from "../run/toy-study.js";

/** Probability of each fault at each of its opportunities. */
export interface Faults {
  /** A process ends before or after an effect (a call of store or queue), or is suspended before it. */
  readonly coordinatorDies: number;
  readonly coordinatorHangs: number;
  readonly workerDies: number;
  readonly workerHangs: number;
  /** A worker reports a failure of the job. */
  readonly jobFails: number;
  readonly messageLost: number;
  readonly messageDoubled: number;
  readonly messageDelayed: number;
  readonly sendFails: number;
  /** The store answers 503 (having written or not), 409, or late. */
  readonly storeUnavailable: number;
  readonly storeConflict: number;
  readonly storeSlow: number;
  /** An upload or download breaks off: nothing is written or returned. */
  readonly storeCut: number;
  /** Invalid messages, and messages of another run. */
  readonly junk: number;
}

/** Request, processes and faults of one simulated run, drawn from its seed. */
export interface FaultPlan {
  readonly faults: Faults;
  readonly request: ReturnType<typeof toyRequest>;
  readonly sampler: "hill climber" | "tpe";
  readonly workers: number;
  /** Number of workers with another instruction set than the run's. */
  readonly foreignWorkers: number;
  /** A trial that kills every worker, or that every worker reports as failed. */
  readonly poison: { readonly trial: number; readonly kills: boolean } | undefined;
  /** How far the clock of the program that requests and cancels the run is ahead, in milliseconds. */
  readonly senderAhead: number;
  /** When the run is cancelled, in milliseconds after its start. */
  readonly cancelAfter: number | undefined;
  readonly trialMilliseconds: number;
  /** Time limit of an invocation of the evaluator function. */
  readonly invocationMilliseconds: number;
  /** Number of running trials from which on their configurations are stored in segments. */
  readonly segmentThreshold: number;
  /** Maximum number of trials opened per save. */
  readonly maxOpened: number;
}

/** One simulated run in this many uses the TPE sampler, which is slower than the toy sampler. */
const TPE_EVERY = 25;

const HOUR_MILLISECONDS = 3_600_000;

export function drawFaultPlan(seed: number, random: RandomStream): FaultPlan {
  // Each fault is absent from half of the runs, so that all combinations occur and no fault hides others.
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
  // Some runs are long enough for several segments of records.
  const maxTrials = 1 + random.below(random.uniform() < 0.1 ? 60 : 16);
  const isForeign = random.uniform() < 0.15;
  const trialMilliseconds = 500 + 8_000 * random.uniform();
  const shards = 1 + random.below(3);
  const usdATrial = (shards * trialMilliseconds) / 1_000;
  // Between the cost of the finish alone and more than the cost of all trials.
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
    // Without this, the first answer would determine the instruction set, and the foreign workers could win.
    ...(isForeign ? { isa: "isa-a" } : {}),
    ...(cost === undefined ? {} : { cost }),
    // Some requests do not describe the work of the finish.
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
    // In some runs the limit is too short for the longest jobs, which are returned to the queue.
    invocationMilliseconds: random.uniform() < 0.1 ? 15_000 + 1.2 * trialMilliseconds : 120_000,
    segmentThreshold: 1 + (seed % 4),
    // Unlimited with a budget, so that the audit knows which events went into each save.
    maxOpened: cost === undefined ? 1 + (seed % 3) : Infinity,
  };
}
