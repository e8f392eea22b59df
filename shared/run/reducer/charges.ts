import type { Billed } from "../protocol/messages.js";
import type { RunRequest } from "../protocol/request.js";
import type { Spend, Tally } from "../protocol/spend.js";
import type { MeasuredTrial, RunState, ShardState } from "../protocol/state.js";
import { finishSeconds, measureTrialWork } from "./finish-duration.js";

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
  const { evaluation, finalists } = state.request;
  const underWay = state.running.reduce((sum, trial) => sum + countWaiting(trial.shards), 0);
  const finish = finishUsd(state);
  const unknown = finish === undefined ? evaluation.shards * (finalists + MODELS_BESIDE_FINALISTS) : 0;
  const jobs = underWay + evaluation.shards + unknown;
  const each = mean(state.spend, "trial");
  const margin = MARGIN_DEVIATIONS * Math.sqrt(jobs) * each.deviation;
  return state.spend.usd + jobs * each.usd + margin + (finish ?? 0);
}

/**
 * What the finish is expected to cost at the pace and the price of the trials so far: it validates other samples than they
 * see, and times its models where they may not. `undefined` where nothing tells.
 */
function finishUsd({ request, spend, finished }: RunState): number | undefined {
  const scored = finished
    .slice(-LATEST)
    .filter((trial): trial is MeasuredTrial => trial.state !== "failed" && trial.origin === undefined);
  const { milliseconds, usd } = mean(spend, "trial");
  if (request.finish === undefined || scored.length === 0 || milliseconds === 0) return undefined;
  const seconds = FINISH_MARGIN * finishSeconds(request, measureTrialWork(request, scored));
  // What a job costs however long it takes is paid once.
  const perJob = request.cost?.usdPerJob ?? 0;
  return perJob + (1_000 * seconds * (usd - perJob)) / milliseconds;
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
