import { isDeepStrictEqual } from "node:util";
import type { WarmUp } from "../../functions/warm-up.js";
import type { Job, RunEvent, TrialReported } from "../../shared/run/protocol/messages.js";
import { claimsPrefix, stateKey } from "../../shared/run/protocol/record-keys.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import { assertInvariant } from "./invariant.js";
import { Evaluations } from "./simulated/evaluations.js";
import { attemptOfJob, nameAttempt, nameWork, workOfReport } from "./simulated/work.js";
import type { Save, SavedDocument, SpendAudit } from "./spend-audit.js";

/** Observes everything that happens in a simulated run and checks the invariants as it happens. */
export class Observer {
  /** The latest state that a coordinator saved. */
  latest: RunState | undefined;
  /** The first violated invariant. */
  broken: Error | undefined;
  readonly evaluations = new Evaluations();
  /** Records in a coordinator's memory that were found equal to the saved ones, with their position. */
  readonly #compared = new WeakMap<TrialRecord, number>();
  /** Attempts whose jobs reached their queue. */
  readonly #sent = new Set<string>();
  /** Configuration sent with the jobs of each trial, as JSON. */
  readonly #tried = new Map<number, string>();
  /** Failed attempts of each job that a coordinator received. */
  readonly #failures = new Map<string, Set<number>>();
  /** Events and bill that led to each saved state that is on its way to the store. */
  readonly #saving = new WeakMap<Uint8Array, Save>();

  /** @param audit checks the spend of a run with a budget */
  constructor(
    private readonly runId: string,
    private readonly audit: SpendAudit | undefined,
  ) {}

  /** Runs a check; the first one that fails ends the simulation. */
  check(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Called when a job has reached its queue, whatever happens to it there. */
  jobSent(job: Job | WarmUp): void {
    if (job.type === "warm-up") return;
    this.#sent.add(attemptOfJob(job));
    if (job.type !== "trial") return;
    // This holds also if a coordinator had sent it and ended, and the next one asked the sampler again.
    const configuration = JSON.stringify(job.configuration);
    const known = this.#tried.get(job.trial) ?? configuration;
    this.check(() =>
      assertInvariant(known === configuration, `trial ${job.trial} was sent with two configurations`),
    );
    this.#tried.set(job.trial, configuration);
  }

  /** Called when a coordinator receives events. */
  eventsReceived(events: readonly RunEvent[]): void {
    for (const event of events) {
      if (!("outcome" in event) || event.outcome.state !== "failed") continue;
      const work = workOfReport(event);
      this.#failures.set(work, (this.#failures.get(work) ?? new Set()).add(event.attempt));
    }
  }

  /** Called when a coordinator that received these events writes an object. */
  writeStarted(key: string, body: Uint8Array, save: Save): void {
    if (key === stateKey(this.runId)) this.#saving.set(body, save);
  }

  /** Called when an object has been stored. */
  objectWritten(key: string, body: Uint8Array, now: number): void {
    if (key.startsWith(claimsPrefix(this.runId))) this.evaluations.claimWritten(key, body, now);
    const { audit } = this;
    const save = this.#saving.get(body);
    if (save === undefined || audit === undefined) return;
    const saved: SavedDocument = JSON.parse(Buffer.from(body).toString("utf8"));
    this.check(() => audit.saved(save, saved));
  }

  /** Called when a coordinator has saved this state after these events, before it acknowledges them. */
  eventsHandled(state: RunState, events: readonly RunEvent[]): void {
    this.check(() => {
      this.#assertEverythingSent(state);
      this.#assertTwoFailures(state);
      this.#assertFinishedIsAppendOnly(state);
      for (const event of events) if (event.type === "TrialReported") assertResultKept(state, event);
    });
    if (this.latest === undefined || state.lastAt >= this.latest.lastAt) this.latest = state;
  }

  /**
   * Jobs that a dead coordinator saved and did not send are sent by the next coordinator that receives an
   * event.
   */
  #assertEverythingSent({ phase, statistics, running, finishing }: RunState): void {
    const waiting = {
      statistics: () => [{ work: "statistics", shards: statistics }],
      search: () => running.map(({ number, shards }) => ({ work: number, shards })),
      finish: () => (finishing === undefined ? [] : [{ work: "finish", shards: [finishing.job] }]),
      done: () => [],
      failed: () => [],
    }[phase]();
    for (const { work, shards } of waiting)
      for (const [index, shard] of shards.entries()) {
        if (shard.state === "done") continue;
        const attempt = nameAttempt(work, index, shard.assignment.attempt);
        assertInvariant(this.#sent.has(attempt), `job ${attempt} was saved, and never sent`);
      }
  }

  /** Everything that failed, except by using up its attempts, failed in two attempts. */
  #assertTwoFailures({ finished, request, phase, failure = "", finishing }: RunState): void {
    const hasFailed = (work: string): boolean => (this.#failures.get(work)?.size ?? 0) >= 2;
    const isExhausted = (reason: string): boolean => reason.endsWith("(6 attempts)");
    for (const trial of finished.slice(this.latest?.finished.length ?? 0)) {
      if (trial.state !== "failed" || isExhausted(trial.reason)) continue;
      const shards = Array.from({ length: request.evaluation.shards }, (_, i) => nameWork(trial.number, i));
      assertInvariant(
        shards.some(hasFailed),
        `trial ${trial.number} failed after one attempt: ${trial.reason}`,
      );
    }
    if (phase !== "failed" || isExhausted(failure) || /^The float model/.test(failure)) return;
    const works =
      finishing === undefined
        ? Array.from({ length: request.statistics.shards }, (_, i) => nameWork("statistics", i))
        : [nameWork("finish", 0)];
    assertInvariant(works.some(hasFailed), `the run failed after one attempt: ${failure}`);
  }

  #assertFinishedIsAppendOnly(state: RunState): void {
    const known = this.latest?.finished ?? [];
    const common = Math.min(known.length, state.finished.length);
    for (let i = 0; i < common; i++) {
      const record = state.finished[i]!;
      if (this.#compared.has(record)) continue;
      assertInvariant(
        isDeepStrictEqual(known[i], record),
        `finished trial ${known[i]?.number} was replaced or moved after it had been saved`,
      );
      this.#compared.set(record, i);
    }
    for (const [i, record] of state.finished.entries())
      assertInvariant(
        (this.#compared.get(record) ?? i) === i,
        `finished trial ${record.number} was moved after it had been saved`,
      );
  }
}

/** A result whose event is acknowledged must be in the saved state. */
function assertResultKept(state: RunState, { trial, shard, outcome, isa, attempt }: TrialReported): void {
  if (outcome.state === "failed" || isa !== state.isa) return;
  const running = state.running.find(({ number }) => number === trial);
  if (running === undefined) {
    assertInvariant(trial < state.asked, `trial ${trial} was reported before it was asked for`);
    return;
  }
  assertInvariant(
    running.shards[shard.index]?.state === "done",
    `the result of trial ${trial}, shard ${shard.index}, attempt ${attempt} was acknowledged and is not in the state`,
  );
}
