import { RecentlyUsed } from "../../shared/basics/recently-used.js";
import { safeguard } from "../../shared/basics/safeguard.js";
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

/** Maximum number of runs whose coordinators (with metric and last state) are kept between invocations. */
const RUNS_IN_MEMORY = 16;

export interface RunCoordinatorsOptions {
  readonly store: ObjectStore;
  readonly jobs: Queue;
  /** Queue of statistics jobs for collectors. */
  readonly statisticsJobs: Queue;
  readonly log: Log;
  readonly metrics: FleetMetrics;
  readonly now: () => number;
  /** Time billed to this environment and not yet charged to a run; absent where work is not billed. */
  readonly billedTime?: BilledTime | undefined;
  /**
   * Opens the study of a run (its sampler, objective and metric); `undefined` if the run was never requested.
   */
  readonly openStudy: (runId: string) => Promise<Study | undefined>;
  /** Creates the coordinator of a run; replaced in tests. */
  readonly createCoordinator?: (options: CoordinatorOptions) => RunCoordinator;
}

type RunCoordinator = Pick<Coordinator, "handle">;

const defaultCoordinator = (options: CoordinatorOptions): RunCoordinator => new Coordinator(options);

type Handled = "handled" | { readonly refused: string };

/** The coordinators (event loops) of the runs that this Lambda environment handled most recently. */
export class RunCoordinators {
  readonly #coordinators = new RecentlyUsed<string, RunCoordinator>(RUNS_IN_MEMORY);

  constructor(
    private readonly options: RunCoordinatorsOptions,
    private readonly active: ActiveRuns,
  ) {}

  /**
   * Handles events of one run.
   *
   * @returns `handled`; `failed` if the events must be redelivered; or the reason why they can never be
   * handled
   */
  async handleEvents(runId: string, events: readonly RunEvent[]): Promise<Handled | "failed"> {
    const { log } = this.options;
    try {
      return await this.#handle(runId, events);
    } catch (error) {
      log.error("events not handled", { runId, events: events.length, reason: describeError(error), error });
      return safeguard("failed-events-are-redelivered") ? "failed" : "handled";
    }
  }

  async #handle(runId: string, events: readonly RunEvent[]): Promise<Handled> {
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
      log.info("events handled", {
        runId,
        phase,
        finished: finished.length,
        running: running.length,
        events: events.length,
      });
      return "handled";
    } catch (error) {
      if (!(error instanceof DamagedRecordError)) throw error;
      return this.#refuse(runId, events, error.message);
    }
  }

  /**
   * Refuses events of a run that cannot be handled. After a Tick it also unlists the run, so that it gets no
   * further Ticks, each of which would be refused as well.
   */
  async #refuse(runId: string, events: readonly RunEvent[], reason: string): Promise<Handled> {
    if (events.some(({ type }) => type === "Tick")) await this.active.remove(runId);
    return { refused: reason };
  }

  /**
   * Asks evaluator functions to start and, if a run is given, to fetch and open its model and data. It is
   * only an optimization: without it the first trials take longer.
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

  /** Publishes CloudWatch metrics of what changed between two saved states of a run. */
  #publishMetrics(before: RunState | undefined, after: RunState): void {
    const { metrics } = this.options;
    const ended = after.finished.slice(before?.finished.length ?? 0);
    metrics.add(METRIC.trialsEnded, ended.length);
    metrics.add(METRIC.trialsFailed, ended.filter(({ state }) => state === "failed").length);
    metrics.add(METRIC.usdSpent, Math.max(0, after.spend.usd - (before?.spend.usd ?? 0)));
    if (after.best !== undefined && after.best.number !== before?.best?.number)
      metrics.publishForRun(after.request.runId, METRIC.bestMetric, after.best.measurement.metric);
  }

  async #open(runId: string): Promise<RunCoordinator | undefined> {
    const known = this.#coordinators.get(runId);
    if (known !== undefined) return known;
    const { store, jobs, statisticsJobs, openStudy, createCoordinator = defaultCoordinator } = this.options;
    const study = await openStudy(runId);
    if (study === undefined) return undefined;
    const coordinator = createCoordinator({
      store,
      jobs,
      statisticsJobs,
      study,
      onSaved: (before, after) => this.#publishMetrics(before, after),
    });
    this.#coordinators.set(runId, coordinator);
    return coordinator;
  }
}
