import { finishSeconds, measureTrialWork } from "./finish-work.js";
import type { Billed } from "./messages.js";
import type { RunRequest } from "./request.js";
import type { MeasuredTrial, RunState, ShardState } from "./state.js";

/** Lambda counts a gigabyte as 1,024 megabytes. */
const MEGABYTES_A_GIGABYTE = 1_024;
/** How many standard deviations what is under way may cost more than its mean. */
const MARGIN_DEVIATIONS = 2;
/** The finish may take this much more than is expected of it (docs/measurements.md, "Time left"). */
const FINISH_MARGIN = 1.25;
/** So many of the latest trials tell what the finish takes. */
const LATEST = 64;
/** Where nothing tells what the finish takes, each model is taken to cost a trial: beside the finalists these two. */
const MODELS_BESIDE_FINALISTS = 2;

/** What jobs' reports said they cost. */
export interface Tally {
  readonly reports: number;
  readonly milliseconds: number;
  readonly usd: number;
  /** Sum of the squares of each job's dollars. */
  readonly usdSquared: number;
}

/**
 * What the run has cost. Each attempt of a job is charged exactly once: with what its first report says, or,
 * when it is given up unanswered, with the mean of those that answered; its late report is not charged again.
 */
export interface Spend {
  /** Everything that was charged, the coordinator's own work included. */
  readonly usd: number;
  /** The workers' time in it. */
  readonly billedMilliseconds: number;
  readonly jobs: Tally;
  /** The trial jobs among them. */
  readonly trialJobs: Tally;
}

const NO_REPORTS: Tally = { reports: 0, milliseconds: 0, usd: 0, usdSquared: 0 };
export const NOTHING_SPENT: Spend = {
  usd: 0,
  billedMilliseconds: 0,
  jobs: NO_REPORTS,
  trialJobs: NO_REPORTS,
};

export type BilledKind = "trial" | "other";
type Charged = Pick<RunState, "request" | "spend">;

/** The spend after a job's report; a worker whose work is not billed is charged nothing. */
export function chargeReport(
  { request, spend }: Charged,
  kind: BilledKind,
  billed: Billed | undefined,
): Spend {
  if (billed === undefined) return spend;
  const usd = computeUsd(request, billed) + (request.cost?.usdPerJob ?? 0);
  const { milliseconds } = billed;
  return {
    usd: spend.usd + usd,
    billedMilliseconds: spend.billedMilliseconds + milliseconds,
    jobs: count(spend.jobs, milliseconds, usd),
    trialJobs: kind === "trial" ? count(spend.trialJobs, milliseconds, usd) : spend.trialJobs,
  };
}

/** The spend after jobs were given up that nobody has answered. */
export function chargeUnanswered(
  { spend }: Pick<Charged, "spend">,
  kind: BilledKind,
  attempts: number,
): Spend {
  if (attempts === 0) return spend;
  const { milliseconds, usd } = mean(spend, kind);
  return {
    ...spend,
    usd: spend.usd + attempts * usd,
    billedMilliseconds: spend.billedMilliseconds + attempts * milliseconds,
  };
}

/** The spend after work of the coordinator itself; its requests are in the price of a job. */
export function chargeCoordinator({ request, spend }: Charged, billed: Billed): Spend {
  return { ...spend, usd: spend.usd + computeUsd(request, billed) };
}

/**
 * What will have been spent, in US dollars, when everything under way, one more trial and the finish have ended:
 * the mean of trial jobs for each, and for their sum two standard deviations more, as the bound is to hold.
 */
export function expectedUsd(state: RunState): number {
  const underWay = state.running.reduce((sum, trial) => sum + countWaiting(trial.shards), 0);
  const jobs = underWay + state.request.evaluation.shards + finishInTrialJobs(state);
  const each = mean(state.spend, "trial");
  return state.spend.usd + jobs * each.usd + MARGIN_DEVIATIONS * Math.sqrt(jobs) * each.deviation;
}

/**
 * As many trial jobs as take a worker as long as the finish: that validates other samples than trials see, and times its
 * models where trials may not.
 */
function finishInTrialJobs({ request, spend, finished }: RunState): number {
  const { evaluation, finalists, finish } = request;
  const scored = finished
    .slice(-LATEST)
    .filter((trial): trial is MeasuredTrial => trial.state !== "failed" && trial.origin === undefined);
  const { milliseconds } = mean(spend, "trial");
  if (finish === undefined || scored.length === 0 || milliseconds === 0)
    return evaluation.shards * (finalists + MODELS_BESIDE_FINALISTS);
  return (FINISH_MARGIN * 1_000 * finishSeconds(request, measureTrialWork(request, scored))) / milliseconds;
}

export function countWaiting(shards: readonly ShardState<unknown>[]): number {
  return shards.reduce((count, shard) => count + (shard.state === "waiting" ? 1 : 0), 0);
}

function count(tally: Tally, milliseconds: number, usd: number): Tally {
  return {
    reports: tally.reports + 1,
    milliseconds: tally.milliseconds + milliseconds,
    usd: tally.usd + usd,
    usdSquared: tally.usdSquared + usd * usd,
  };
}

/** Of a kind's jobs; of all jobs where none of that kind has reported. */
function mean(spend: Spend, kind: BilledKind): { milliseconds: number; usd: number; deviation: number } {
  const tally = kind === "trial" && spend.trialJobs.reports > 0 ? spend.trialJobs : spend.jobs;
  const { reports } = tally;
  if (reports === 0) return { milliseconds: 0, usd: 0, deviation: 0 };
  const usd = tally.usd / reports;
  const variance = Math.max(0, tally.usdSquared / reports - usd * usd);
  return { milliseconds: tally.milliseconds / reports, usd, deviation: Math.sqrt(variance) };
}

function computeUsd({ cost }: RunRequest, { milliseconds, megabytes, architecture }: Billed): number {
  if (cost === undefined) return 0;
  const gigabyteSeconds = (megabytes / MEGABYTES_A_GIGABYTE) * (milliseconds / 1_000);
  return gigabyteSeconds * cost.usdPerGigabyteSecond[architecture];
}
