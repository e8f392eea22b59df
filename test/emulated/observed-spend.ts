import assert from "node:assert/strict";
import { eventSchema, type JobReport } from "../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import { NOTHING_SPENT } from "../../shared/run/protocol/spend.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import { RunRecords } from "../../shared/run/records/run-records.js";
import { chargeReport } from "../../shared/run/reducer/charges.js";
import type { EmulatedFleet } from "./emulated-fleet.js";

/** Reports of jobs that an invocation of the coordinator received, and the run's stored state before it. */
interface Invocation {
  readonly before: RunState | undefined;
  readonly reports: readonly JobReport[];
}

/** Records the reports on one run that the coordinator of a fleet receives from now on. */
export class ObservedSpend {
  readonly #invocations: Invocation[] = [];
  readonly #attempts = new Set<string>();

  constructor(
    private readonly fleet: Pick<EmulatedFleet, "coordinator" | "store">,
    private readonly runId: string,
  ) {
    const { coordinator } = fleet;
    const invoke = coordinator.invoke.bind(coordinator);
    // Invocations for one run are sequential, so the state is not saved between this read and the invocation.
    coordinator.invoke = async (event) => {
      const reports = this.#reportsIn(event).filter((report) => this.#isFirst(report));
      if (reports.length > 0) this.#invocations.push({ before: await this.#state(), reports });
      return invoke(event);
    };
  }

  /**
   * Asserts that an ended run kept its budget: the known cost was within it when the last trial was started,
   * and everything charged later was running at that time, was the finish, or was the coordinator's own work.
   */
  async assertWithin(maxUsd: number): Promise<void> {
    const state = await this.#state();
    assert.ok(state);
    const all = this.#invocations.flatMap(({ reports }) => reports);
    // The budget may be exceeded by the statistics already; then everything was started before any cost was
    // known.
    const last = state.finished.find(({ number }) => number === state.asked - 1);
    const later = last === undefined ? all : this.#underWayWith(last, state.request, maxUsd);
    // The rest of the spend is the coordinator's own work.
    const own = state.spend.usd - usdOf(state.request, all);
    assert.ok(own > 0, `${state.spend.usd} is less than what was reported`);
    const underWay = usdOf(state.request, later);
    assert.ok(
      state.spend.usd <= maxUsd + underWay + own,
      `${state.spend.usd} of ${maxUsd} was spent, with ${underWay} under way and ${own} of the coordinator's own`,
    );
  }

  /** The reports after the last trial was started; asserts that their jobs were running at that time. */
  #underWayWith(last: TrialRecord, request: RunRequest, maxUsd: number): readonly JobReport[] {
    // A trial is started at the time of the event that caused it.
    const led = ({ at }: JobReport): boolean => at === last.askedAt;
    const at = this.#invocations.findIndex(({ reports }) => reports.some(led));
    const { before, reports } = this.#invocations[at] ?? {};
    assert.ok(before !== undefined && reports !== undefined, `no report led to trial ${last.number}`);
    const applied = reports.findIndex(led) + 1;
    const known = before.spend.usd + usdOf(request, reports.slice(0, applied));
    assert.ok(known <= maxUsd, `${known} was spent when trial ${last.number} was asked for`);
    const following = this.#invocations.slice(at + 1).flatMap((next) => next.reports);
    const later = [...reports.slice(applied), ...following];
    const ended = new Set([
      ...before.finished.map(({ number }) => number),
      ...reports.slice(0, applied).map(workOf),
    ]);
    for (const report of later) {
      const work = workOf(report);
      assert.ok(!ended.has(work) && (work === "finish" || Number(work) <= last.number), `${work}, after all`);
    }
    return later;
  }

  #reportsIn(event: unknown): JobReport[] {
    const { Records = [] } = event as { readonly Records?: readonly { readonly body: string }[] };
    return Records.flatMap(({ body }) => {
      try {
        const parsed = eventSchema.parse(JSON.parse(body));
        return parsed.runId === this.runId && "outcome" in parsed ? [parsed] : [];
      } catch {
        // An invocation by the Tick, or a message that the coordinator refuses.
        return [];
      }
    });
  }

  /**
   * Whether this is an attempt's first report, which is the one charged; under load an attempt may run and be
   * reported twice.
   */
  #isFirst(report: JobReport): boolean {
    const name = attemptOf(report);
    if (this.#attempts.has(name)) return false;
    this.#attempts.add(name);
    return true;
  }

  async #state(): Promise<RunState | undefined> {
    return (await new RunRecords(this.fleet.store).load(this.runId))?.state;
  }
}

function usdOf(request: RunRequest, reports: readonly JobReport[]): number {
  return reports.reduce(
    (spend, { billed }) => chargeReport({ request, spend }, "other", billed),
    NOTHING_SPENT,
  ).usd;
}

function workOf(report: JobReport): number | "finish" | "statistics" {
  switch (report.type) {
    case "TrialReported":
      return report.trial;
    case "FinishReported":
      return "finish";
    case "StatisticsReported":
      return "statistics";
  }
}

function attemptOf(report: JobReport): string {
  const shard = "shard" in report ? report.shard.index : 0;
  return `${workOf(report)}/${shard}/${report.attempt}`;
}
