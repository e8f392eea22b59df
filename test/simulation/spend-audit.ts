import type { Billed, JobReport, RunEvent } from "../../shared/run/protocol/messages.js";
import type { MeasuredTrial, RunState, ShardState } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { createReducer, type Reducer } from "../../shared/run/reducer/reducer.js";
import { assertInvariant } from "./invariant.js";
import { attemptOfReport, nameAttempt, nameWork, workOfReport } from "./simulated/work.js";

/** Safety margin on the cost of running jobs, in standard deviations. */
const MARGIN_DEVIATIONS = 2;
/** Models that the finish scores beside its finalists. */
const MODELS_BESIDE_FINALISTS = 2;
/**
 * Safety factor on the expected cost of the finish, preparations per finalist, and trials that it is
 * estimated from.
 */
const FINISH_MARGIN = 1.25;
const FINALIST_PREPARATIONS = 7;
const LATEST = 64;
/** Number of reference trials. */
const REFERENCES = 2;
const ROUNDING = 1e-6;

/** Events that a save includes, and the coordinator's own bill charged with it. */
export interface Save {
  readonly events: readonly RunEvent[];
  readonly own: Billed | undefined;
}

/** The part of a saved state document that the audit compares. */
export type SavedDocument = Pick<RunState, "asked" | "phase" | "spend" | "stop"> & {
  readonly running: readonly unknown[];
};

/** Mean cost of one kind of job. */
interface Mean {
  readonly usd: number;
  readonly deviation: number;
}

/**
 * Audits the spend of a run with a budget by an independent computation: from the events of each save it
 * tracks which attempts of jobs are running. Each attempt must be charged once: with its first report, or
 * with the mean of the others when it is given up. No trial may be started with which the run is expected to
 * exceed its budget, and the budget may not stop a run earlier.
 */
export class SpendAudit {
  /** The run after all saved events. */
  #state: RunState | undefined;
  readonly #reducer: Reducer;
  readonly #charged = new Set<string>();
  readonly #trials: number[] = [];
  readonly #jobs: number[] = [];
  /** Cost of the workers' jobs. */
  #usd = 0;
  /** Cost of the coordinator's own work. */
  #ownUsd = 0;

  /** @param maxUsd the run's budget */
  constructor(
    study: Study,
    private readonly maxUsd: number,
  ) {
    this.#reducer = createReducer(study);
  }

  /** Called when a coordinator has saved the state after these events. */
  saved({ events, own }: Save, saved: SavedDocument): void {
    for (const event of events) {
      const before = this.#state;
      const after = this.#reducer.apply(before, event);
      if (after === undefined || after === before) continue;
      if (before !== undefined) this.#auditEvent(before, event, after);
      this.#state = after;
    }
    const state = this.#state;
    assertInvariant(
      state !== undefined &&
        state.asked === saved.asked &&
        state.phase === saved.phase &&
        state.stop === saved.stop &&
        state.running.length === saved.running.length,
      "what was saved is not what its events come to",
    );
    this.#ownUsd += own === undefined ? 0 : usdOf(own);
    const usd = this.#usd + this.#ownUsd;
    assertInvariant(
      Math.abs(saved.spend.usd - usd) < ROUNDING,
      `${saved.spend.usd} was charged, where ${usd} was billed, ${this.#ownUsd} of it for the coordinator's work`,
    );
    // The proposals for open trials are not saved yet.
    this.#state = this.#reducer.proposeAll({ ...state, spend: saved.spend });
  }

  #auditEvent(before: RunState, event: RunEvent, after: RunState): void {
    const underWay = attemptsUnderWay(before);
    if ("outcome" in event) this.#chargeReport(event, underWay);
    const still = attemptsUnderWay(after);
    // The state of a run that fails by this event keeps the job that it failed by.
    const fails = before.phase !== "failed" && after.phase === "failed";
    const lost = fails && "outcome" in event ? workOfReport(event) : undefined;
    for (const [attempt, { kind, work, deadline }] of underWay) {
      const isOverdue = event.type === "Tick" && event.at >= deadline && kind === before.phase;
      if (this.#charged.has(attempt) || (still.has(attempt) && !isOverdue && work !== lost)) continue;
      this.#charge(attempt, this.#mean(kind === "search").usd);
    }
    this.#auditOpenedTrials(before, after);
  }

  #chargeReport(report: JobReport, underWay: ReadonlyMap<string, UnderWay>): void {
    const attempt = attemptOfReport(report);
    if (report.billed === undefined || !underWay.has(attempt) || this.#charged.has(attempt)) return;
    const usd = usdOf(report.billed);
    this.#charge(attempt, usd);
    this.#jobs.push(usd);
    if (report.type === "TrialReported") this.#trials.push(usd);
  }

  #charge(attempt: string, usd: number): void {
    this.#charged.add(attempt);
    this.#usd += usd;
  }

  #auditOpenedTrials(before: RunState, after: RunState): void {
    // The float model and the base are scored whatever they cost.
    for (let trial = Math.max(before.asked, REFERENCES); trial < after.asked; trial++) {
      const expected = this.#expected(after, trial);
      assertInvariant(
        expected <= this.maxUsd + ROUNDING,
        `trial ${trial} was asked for although ${expected} is expected to be spent with it, of ${this.maxUsd}`,
      );
    }
    if (after.stop !== "max_cost_usd" || before.stop !== undefined) return;
    const expected = this.#expected(after, after.asked);
    assertInvariant(
      expected > this.maxUsd - ROUNDING,
      `no further trial was asked for although only ${expected} is expected to be spent with it, of ${this.maxUsd}`,
    );
  }

  /** Expected total cost after a trial, those before it and the finish. */
  #expected(state: RunState, trial: number): number {
    const { running, request } = state;
    const others = running.filter(({ number }) => number < trial).flatMap(({ shards }) => shards);
    const waiting = others.filter((shard) => shard.state === "waiting").length;
    const finish = this.#finish(state);
    const models = finish === undefined ? request.finalists + MODELS_BESIDE_FINALISTS : 0;
    const jobs = waiting + request.evaluation.shards * (1 + models);
    const { usd, deviation } = this.#mean(true);
    const margin = MARGIN_DEVIATIONS * Math.sqrt(jobs) * deviation;
    return this.#usd + this.#ownUsd + jobs * usd + margin + (finish ?? 0);
  }

  /** Expected cost of the finish, at one dollar per second. */
  #finish({ request, finished }: RunState): number | undefined {
    const { evaluation, finalists, finish } = request;
    const scored = finished.slice(-LATEST).filter((trial) => trial.state !== "failed");
    const { usd } = this.#mean(true);
    if (finish === undefined || scored.length === 0 || usd === 0) return undefined;
    const sum = (of: (trial: MeasuredTrial) => number): number =>
      scored.reduce((all, trial) => all + of(trial), 0);
    const each = sum(({ timings }) => timings.inference) / sum(({ measurement }) => measurement.samples);
    const preparations = scored
      .map(({ timings }) => timings.quantize + timings.session)
      .sort((a, b) => a - b);
    const preparation = preparations[preparations.length >> 1]! / evaluation.shards;
    const validating = (finalists + MODELS_BESIDE_FINALISTS) * finish.samples * each;
    const timing = (finalists + 1) * (finish.latencySeconds + FINALIST_PREPARATIONS * preparation);
    return FINISH_MARGIN * (validating + timing);
  }

  /** Mean over trial jobs, or over all jobs if none of these has reported. */
  #mean(ofTrials: boolean): Mean {
    const costs = ofTrials && this.#trials.length > 0 ? this.#trials : this.#jobs;
    if (costs.length === 0) return { usd: 0, deviation: 0 };
    const usd = costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
    const variance = costs.reduce((sum, cost) => sum + (cost - usd) ** 2, 0) / costs.length;
    return { usd, deviation: Math.sqrt(variance) };
  }
}

/** At the prices of `toyCost`: one dollar per second of a gigabyte. */
function usdOf({ milliseconds, megabytes }: Billed): number {
  return (milliseconds / 1_000) * (megabytes / 1_024);
}

interface UnderWay {
  readonly work: string;
  /** The phase that the job belongs to. */
  readonly kind: "statistics" | "search" | "finish";
  readonly deadline: number;
}

/** The running attempt of each job, by its name. */
function attemptsUnderWay({ statistics, running, finishing }: RunState): ReadonlyMap<string, UnderWay> {
  const found = new Map<string, UnderWay>();
  const add = (
    kind: UnderWay["kind"],
    work: number | string,
    shards: readonly ShardState<unknown>[],
  ): void => {
    for (const [index, shard] of shards.entries())
      if (shard.state === "waiting") {
        const { attempt, deadline } = shard.assignment;
        found.set(nameAttempt(work, index, attempt), { kind, work: nameWork(work, index), deadline });
      }
  };
  add("statistics", "statistics", statistics);
  for (const { number, shards } of running) add("search", number, shards);
  if (finishing !== undefined) add("finish", "finish", [finishing.job]);
  return found;
}
