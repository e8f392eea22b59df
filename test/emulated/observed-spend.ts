import assert from "node:assert/strict";
import { eventSchema, type JobReport } from "../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import { NOTHING_SPENT } from "../../shared/run/protocol/spend.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import { RunRecords } from "../../shared/run/records/run-records.js";
import { chargeReport } from "../../shared/run/reducer/charges.js";
import type { EmulatedFleet } from "./emulated-fleet.js";

/** Reports of jobs that an invocation of the coordinator was handed, and the run as it lay in the store before it. */
interface Invocation {
  readonly before: RunState | undefined;
  readonly reports: readonly JobReport[];
}

/** What a fleet's coordinator is told of one run's work, from now on. */
export class ObservedSpend {
  readonly #invocations: Invocation[] = [];
  readonly #attempts = new Set<string>();

  constructor(
    private readonly fleet: Pick<EmulatedFleet, "coordinator" | "store">,
    private readonly runId: string,
  ) {
    const { coordinator } = fleet;
    const invoke = coordinator.invoke.bind(coordinator);
    // Coordinators of a run work one after the other, so that nobody saves between the look and the invocation.
    coordinator.invoke = async (event) => {
      const reports = this.#reportsIn(event).filter((report) => this.#isFirst(report));
      if (reports.length > 0) this.#invocations.push({ before: await this.#state(), reports });
      return invoke(event);
    };
  }

  /**
   * Holds an ended run against its budget: what was known to be spent when its last trial was asked for was within it,
   * and all that was charged after that was under way then, was the finish, or was the coordinator's own work.
   */
  async assertWithin(maxUsd: number): Promise<void> {
    const state = await this.#state();
    assert.ok(state);
    const all = this.#invocations.flatMap(({ reports }) => reports);
    // The budget may be spent on statistics already; then all of it was asked for before anything was known.
    const last = state.finished.find(({ number }) => number === state.asked - 1);
    const later = last === undefined ? all : this.#underWayWith(last, state.request, maxUsd);
    // What is charged beside reports is the coordinator's own work.
    const own = state.spend.usd - usdOf(state.request, all);
    assert.ok(own > 0, `${state.spend.usd} is less than what was reported`);
    const underWay = usdOf(state.request, later);
    assert.ok(
      state.spend.usd <= maxUsd + underWay + own,
      `${state.spend.usd} of ${maxUsd} was spent, with ${underWay} under way and ${own} of the coordinator's own`,
    );
  }

  /** The reports that came after the last trial had been asked for, each of which was under way then. */
  #underWayWith(last: TrialRecord, request: RunRequest, maxUsd: number): readonly JobReport[] {
    // A trial is asked for at the time of the event that led to it.
    const led = ({ at }: JobReport): boolean => at === last.askedAt;
    const at = this.#invocations.findIndex(({ reports }) => reports.some(led));
    const { before, reports } = this.#invocations[at] ?? {};
    assert.ok(before !== undefined && reports !== undefined, `no report led to trial ${last.number}`);
    const heard = reports.findIndex(led) + 1;
    const known = before.spend.usd + usdOf(request, reports.slice(0, heard));
    assert.ok(known <= maxUsd, `${known} was spent when trial ${last.number} was asked for`);
    const following = this.#invocations.slice(at + 1).flatMap((next) => next.reports);
    const later = [...reports.slice(heard), ...following];
    const ended = new Set([
      ...before.finished.map(({ number }) => number),
      ...reports.slice(0, heard).map(workOf),
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
        // A Tick's invocation, or what the coordinator refuses.
        return [];
      }
    });
  }

  /** An attempt is charged with what its first report says; under load one is carried out twice, and reported twice. */
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
