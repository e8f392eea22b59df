import { RecentlyUsed } from "../../shared/basics/recently-used.js";
import type { Queue } from "../../shared/queues/queue.js";
import { Coordinator, type CoordinatorOptions } from "../../shared/run/coordinator.js";
import type { RunEvent } from "../../shared/run/protocol/messages.js";
import type { RunState } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { DamagedRecordError } from "../../shared/run/store/damaged-record.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { BilledTime } from "../billed-time.js";
import { describeError, type Log } from "../log.js";
import { METRIC } from "../metric-names.js";
import type { FleetMetrics } from "../metrics.js";
import { sendWarmUps } from "../warm-up.js";
import type { ActiveRuns } from "./active-runs.js";

/** Runs whose metric and state stay in memory between invocations. */
const RUNS_IN_MEMORY = 16;

export interface RunCarriersOptions {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  /** Where collectors take statistics jobs from. */
  readonly statisticsJobs: Queue;
  readonly log: Log;
  readonly metrics: FleetMetrics;
  readonly now: () => number;
  /** Where work is billed. */
  readonly billedTime?: BilledTime | undefined;
  /** The study of a run; `undefined` where nobody has asked for it. */
  readonly openStudy: (runId: string) => Promise<Study | undefined>;
  /** What carries a run; the coordinator as it is when left out. */
  readonly createCoordinator?: (options: CoordinatorOptions) => RunCoordinator;
}

type RunCoordinator = Pick<Coordinator, "handle">;

const plainCoordinator = (options: CoordinatorOptions): RunCoordinator => new Coordinator(options);

type Carried = "carried" | { readonly refused: string };

/** Coordinators of the runs that this environment has heard of last. */
export class RunCarriers {
  readonly #coordinators = new RecentlyUsed<string, RunCoordinator>(RUNS_IN_MEMORY);

  constructor(
    private readonly options: RunCarriersOptions,
    private readonly active: ActiveRuns,
  ) {}

  /**
   * Carries a run through events of it.
   *
   * @returns `failed` when its events are to come again, and why they are refused where nobody will ever carry them
   */
  async carry(runId: string, events: readonly RunEvent[]): Promise<Carried | "failed"> {
    const { log } = this.options;
    try {
      return await this.#carry(runId, events);
    } catch (error) {
      log.error("events not carried", { runId, events: events.length, reason: describeError(error), error });
      return "failed";
    }
  }

  async #carry(runId: string, events: readonly RunEvent[]): Promise<Carried> {
    const { log, billedTime } = this.options;
    try {
      const coordinator = await this.#open(runId);
      const state = await coordinator?.handle(runId, events, billedTime?.charge());
      if (state === undefined) return await this.#refuse(runId, events, `nobody has asked for run ${runId}`);
      if (state.phase === "statistics" && events.some(({ type }) => type === "RunRequested"))
        await this.startEvaluators(state.request);
      await this.active.update(
        state,
        events.some(({ type }) => type === "RunResumed"),
      );
      const { phase, finished, running } = state;
      log.info("run carried", {
        runId,
        phase,
        finished: finished.length,
        running: running.length,
        events: events.length,
      });
      return "carried";
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error;
      return this.#refuse(runId, events, error.message);
    }
  }

  /** A run that nobody can carry is not sent Ticks any more: each would be refused as well, every minute for ever. */
  async #refuse(runId: string, events: readonly RunEvent[], reason: string): Promise<Carried> {
    if (events.some(({ type }) => type === "Tick")) await this.active.strike(runId);
    return { refused: reason };
  }

  /**
   * Has evaluators get ready for a run, or only start where none is named. Without it the first trials take longer, and
   * nothing else.
   */
  async startEvaluators(run: { readonly runId?: string; readonly parallel: number }): Promise<void> {
    const { jobs, log, now } = this.options;
    try {
      await sendWarmUps(jobs, run, now());
    } catch (error) {
      log.warn("evaluators not asked to get ready", {
        runId: run.runId,
        reason: describeError(error),
        error,
      });
    }
  }

  /** What a save has brought. */
  #tell(before: RunState | undefined, after: RunState): void {
    const { metrics } = this.options;
    const ended = after.finished.slice(before?.finished.length ?? 0);
    metrics.add(METRIC.trialsEnded, ended.length);
    metrics.add(METRIC.trialsFailed, ended.filter(({ state }) => state === "failed").length);
    metrics.add(METRIC.usdSpent, Math.max(0, after.spend.usd - (before?.spend.usd ?? 0)));
    if (after.best !== undefined && after.best.number !== before?.best?.number)
      metrics.tellOfRun(after.request.runId, METRIC.bestMetric, after.best.measurement.metric);
  }

  async #open(runId: string): Promise<RunCoordinator | undefined> {
    const known = this.#coordinators.get(runId);
    if (known !== undefined) return known;
    const { store, jobs, statisticsJobs, openStudy, createCoordinator = plainCoordinator } = this.options;
    const study = await openStudy(runId);
    if (study === undefined) return undefined;
    const coordinator = createCoordinator({
      store,
      jobs,
      statisticsJobs,
      study,
      onSaved: (before, after) => this.#tell(before, after),
    });
    this.#coordinators.set(runId, coordinator);
    return coordinator;
  }
}
