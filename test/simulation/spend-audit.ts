import type { Billed, JobReport, RunEvent } from "../../shared/run/protocol/messages.js";
import type { MeasuredTrial, RunState, ShardState } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { createReducer, type Reducer } from "../../shared/run/reducer/reducer.js";
import { insist } from "./invariant.js";
import { attemptOfReport, nameAttempt, nameWork, workOfReport } from "./simulated/work.js";

/** By how many standard deviations what is under way may cost more than its mean. */
const MARGIN_DEVIATIONS = 2;
/** What the finish scores beside its finalists. */
const MODELS_BESIDE_FINALISTS = 2;
/** What the finish may take more than expected, how often it prepares a model, and which trials tell how long that takes. */
const FINISH_MARGIN = 1.25;
const FINALIST_PREPARATIONS = 7;
const LATEST = 64;
/** The trials that the others are compared with. */
const REFERENCES = 2;
const ROUNDING = 1e-6;

/** What went into a save: the events, and what the coordinator's own work is billed for with it. */
export interface Save {
  readonly events: readonly RunEvent[];
  readonly own: Billed | undefined;
}

/** What a saved state document says that the books are compared with. */
export type SavedDocument = Pick<RunState, "asked" | "phase" | "spend" | "stop"> & {
  readonly running: readonly unknown[];
};

/** Costs of one kind of job. */
interface Mean {
  readonly usd: number;
  readonly deviation: number;
}

/**
 * A second set of books on a run with a budget, kept by other rules than the coordinator's own: from the events of each
 * save, one by one, it follows which attempts of jobs are under way. Each is charged once, with what its first report
 * says, or with the mean of the others where it is given up. No trial may be asked for with which the run is expected
 * to exceed its limit, and the limit may not stop a run before.
 */
export class Ledger {
  /** The run after all that was saved. */
  #state: RunState | undefined;
  readonly #reducer: Reducer;
  readonly #charged = new Set<string>();
  readonly #trials: number[] = [];
  readonly #jobs: number[] = [];
  /** What workers' jobs have cost. */
  #usd = 0;
  /** What was charged beside them: the coordinator's own work. */
  #ownUsd = 0;

  /** @param maxUsd what the run may cost */
  constructor(
    study: Study,
    private readonly maxUsd: number,
  ) {
    this.#reducer = createReducer(study);
  }

  /** Whoever was handed these events has saved this. */
  saved({ events, own }: Save, saved: SavedDocument): void {
    for (const event of events) {
      const before = this.#state;
      const after = this.#reducer.hear(before, event);
      if (after === undefined || after === before) continue;
      if (before !== undefined) this.#hear(before, event, after);
      this.#state = after;
    }
    const state = this.#state;
    insist(
      state !== undefined &&
        state.asked === saved.asked &&
        state.phase === saved.phase &&
        state.stop === saved.stop &&
        state.running.length === saved.running.length,
      "what was saved is not what its events come to",
    );
    this.#ownUsd += own === undefined ? 0 : usdOf(own);
    const usd = this.#usd + this.#ownUsd;
    insist(
      Math.abs(saved.spend.usd - usd) < ROUNDING,
      `${saved.spend.usd} was charged, where ${usd} was billed, ${this.#ownUsd} of it for the coordinator's work`,
    );
    // What the sampler says to it is not saved yet.
    this.#state = this.#reducer.proposeAll({ ...state, spend: saved.spend });
  }

  #hear(before: RunState, event: RunEvent, after: RunState): void {
    const underWay = attemptsUnderWay(before);
    if ("outcome" in event) this.#chargeReport(event, underWay);
    const still = attemptsUnderWay(after);
    // Of a run that fails by this event, the state keeps what it failed of.
    const fails = before.phase !== "failed" && after.phase === "failed";
    const lost = fails && "outcome" in event ? workOfReport(event) : undefined;
    for (const [attempt, { kind, work, deadline }] of underWay) {
      const isOverdue = event.type === "Tick" && event.at >= deadline && kind === before.phase;
      if (this.#charged.has(attempt) || (still.has(attempt) && !isOverdue && work !== lost)) continue;
      this.#charge(attempt, this.#mean(kind === "search").usd);
    }
    this.#judgeAsked(before, after);
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

  #judgeAsked(before: RunState, after: RunState): void {
    // Whatever the float model and the base cost, without them the run would come to nothing.
    for (let trial = Math.max(before.asked, REFERENCES); trial < after.asked; trial++) {
      const expected = this.#expected(after, trial);
      insist(
        expected <= this.maxUsd + ROUNDING,
        `trial ${trial} was asked for although ${expected} is expected to be spent with it, of ${this.maxUsd}`,
      );
    }
    if (after.stop !== "max_cost_usd" || before.stop !== undefined) return;
    const expected = this.#expected(after, after.asked);
    insist(
      expected > this.maxUsd - ROUNDING,
      `no further trial was asked for although only ${expected} is expected to be spent with it, of ${this.maxUsd}`,
    );
  }

  /** What will have been spent when a trial, those before it and the finish have ended. */
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

  /** What the finish is expected to cost: a dollar a second of what its parts take. */
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

  /** Of trial jobs, or of all where none has reported. */
  #mean(ofTrials: boolean): Mean {
    const costs = ofTrials && this.#trials.length > 0 ? this.#trials : this.#jobs;
    if (costs.length === 0) return { usd: 0, deviation: 0 };
    const usd = costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
    const variance = costs.reduce((sum, cost) => sum + (cost - usd) ** 2, 0) / costs.length;
    return { usd, deviation: Math.sqrt(variance) };
  }
}

/** At `toyCost`, a dollar for a second of a gigabyte. */
function usdOf({ milliseconds, megabytes }: Billed): number {
  return (milliseconds / 1_000) * (megabytes / 1_024);
}

interface UnderWay {
  readonly work: string;
  /** The phase that it belongs to. */
  readonly kind: "statistics" | "search" | "finish";
  readonly deadline: number;
}

/** The attempt of each job that is with the workers, by its name. */
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
