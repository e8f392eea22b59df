import { safeguard } from "../../basics/safeguard.js";
import type { Billed } from "../protocol/messages.js";
import type { RunRequest } from "../protocol/request.js";
import type { Spend, Tally } from "../protocol/spend.js";
import type { MeasuredTrial, RunState, ShardState } from "../protocol/state.js";
import { finishSeconds, measureTrialWork } from "./finish-duration.js";

/** Megabytes per gigabyte as Lambda bills them. */
const MEGABYTES_A_GIGABYTE = 1_024;
/** Safety margin on the cost of jobs still to be billed, in standard deviations of their sum. */
const MARGIN_DEVIATIONS = 2;
/** Safety factor on the expected cost of the finish. */
const FINISH_MARGIN = 1.25;
/** Number of latest trials from which the duration and cost of the finish are estimated. */
const LATEST = 64;
/**
 * Number of models that the finish scores beside the finalists: the float model and the base configuration.
 * Without other information each model of the finish is priced as one trial.
 */
const MODELS_BESIDE_FINALISTS = 2;

export type BilledKind = "trial" | "other";
type Charged = Pick<RunState, "request" | "spend">;

/** A run's spend after a job's report; unbilled work costs nothing. */
export function chargeReport(
  { request, spend }: Charged,
  kind: BilledKind,
  billed: Billed | undefined,
): Spend {
  if (billed === undefined || !safeguard("reports-are-charged")) return spend;
  const usd = computeUsd(request, billed) + (request.cost?.usdPerJob ?? 0);
  const { milliseconds } = billed;
  return {
    usd: spend.usd + usd,
    billedMilliseconds: spend.billedMilliseconds + milliseconds,
    jobs: count(spend.jobs, milliseconds, usd),
    trialJobs: kind === "trial" ? count(spend.trialJobs, milliseconds, usd) : spend.trialJobs,
  };
}

/** A run's spend after `attempts` jobs were given up without a report, each charged with the mean cost. */
export function chargeUnanswered(
  { spend }: Pick<Charged, "spend">,
  kind: BilledKind,
  attempts: number,
): Spend {
  if (attempts === 0 || !safeguard("unanswered-jobs-are-charged")) return spend;
  const { milliseconds, usd } = mean(spend, kind);
  return {
    ...spend,
    usd: spend.usd + attempts * usd,
    billedMilliseconds: spend.billedMilliseconds + attempts * milliseconds,
  };
}

/**
 * A run's spend after work of the coordinator itself; the price of a job includes the coordinator's requests.
 */
export function chargeCoordinator({ request, spend }: Charged, billed: Billed): Spend {
  return { ...spend, usd: spend.usd + computeUsd(request, billed) };
}

/**
 * Expected total cost in US dollars after all running jobs, one more trial and the finish: the mean cost of
 * trial jobs for each, plus two standard deviations of the sum, so that the budget is kept.
 */
export function expectedUsd(state: RunState): number {
  const { evaluation, finalists } = state.request;
  const isCounted = safeguard("budget-counts-running-jobs");
  const underWay = state.running.reduce((sum, { shards }) => sum + (isCounted ? countWaiting(shards) : 0), 0);
  const finish = finishUsd(state);
  const unknown = finish === undefined ? evaluation.shards * (finalists + MODELS_BESIDE_FINALISTS) : 0;
  const jobs = underWay + evaluation.shards + unknown;
  const each = mean(state.spend, "trial");
  const margin = MARGIN_DEVIATIONS * Math.sqrt(jobs) * each.deviation;
  return state.spend.usd + jobs * each.usd + margin + (finish ?? 0);
}

/**
 * Expected cost of the finish in US dollars, from the speed and price of the trials so far; `undefined`
 * without scored trials. The price of a trial alone does not give it, because the finish scores validation
 * samples and measures latency.
 */
function finishUsd({ request, spend, finished }: RunState): number | undefined {
  const scored = finished
    .slice(-LATEST)
    .filter((trial): trial is MeasuredTrial => trial.state !== "failed" && trial.origin === undefined);
  const { milliseconds, usd } = mean(spend, "trial");
  if (request.finish === undefined || scored.length === 0 || milliseconds === 0) return undefined;
  const seconds = FINISH_MARGIN * finishSeconds(request, measureTrialWork(request, scored));
  // The finish is one job, so the fixed price per job is paid once.
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

/**
 * Mean billed time and cost of the jobs of a kind, and the standard deviation of their cost; over all jobs if
 * none of that kind has reported.
 */
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
