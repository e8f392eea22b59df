import { isDeepStrictEqual } from "node:util";
import type { WarmUp } from "../../functions/warm-up.js";
import type { Job, RunEvent, TrialReported } from "../../shared/run/protocol/messages.js";
import { claimsPrefix, stateKey } from "../../shared/run/protocol/record-keys.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import { insist } from "./invariant.js";
import { Evaluations } from "./simulated/evaluations.js";
import { attemptOfJob, nameAttempt, nameWork, workOfReport } from "./simulated/work.js";
import type { Ledger, Save, SavedDocument } from "./spend-audit.js";

/** Sees everything that happens in a simulated run, and holds it against the invariants as it happens. */
export class Observer {
  /** The latest state that a coordinator has saved. */
  latest: RunState | undefined;
  broken: Error | undefined;
  readonly evaluations = new Evaluations();
  /** Records that a coordinator has in memory, and the place at which they were found equal to what was saved. */
  readonly #compared = new WeakMap<TrialRecord, number>();
  /** Attempts whose jobs have reached their queue. */
  readonly #sent = new Set<string>();
  /** What the jobs of each trial said that it tries. */
  readonly #tried = new Map<number, string>();
  /** Attempts of each work whose failure a coordinator has been handed. */
  readonly #failures = new Map<string, Set<number>>();
  /** What coordinators were handed before they wrote a state that is on its way to the store. */
  readonly #saving = new WeakMap<Uint8Array, Save>();

  /** @param ledger of a run with a budget */
  constructor(
    private readonly runId: string,
    private readonly ledger: Ledger | undefined,
  ) {}

  /** Runs a check of the simulated world; the first that fails ends the simulation. */
  check(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  /** A job has reached its queue, whatever becomes of it there. */
  sent(job: Job | WarmUp): void {
    if (job.type === "warm-up") return;
    this.#sent.add(attemptOfJob(job));
    if (job.type !== "trial") return;
    // Also where a coordinator that has ended had sent it, and the next one has asked the sampler again.
    const configuration = JSON.stringify(job.configuration);
    const known = this.#tried.get(job.trial) ?? configuration;
    this.check(() => insist(known === configuration, `trial ${job.trial} was sent with two configurations`));
    this.#tried.set(job.trial, configuration);
  }

  /** A coordinator is handed events. */
  hands(events: readonly RunEvent[]): void {
    for (const event of events) {
      if (!("outcome" in event) || event.outcome.state !== "failed") continue;
      const work = workOfReport(event);
      this.#failures.set(work, (this.#failures.get(work) ?? new Set()).add(event.attempt));
    }
  }

  /** A coordinator that was handed these events writes an object. */
  writes(key: string, body: Uint8Array, save: Save): void {
    if (key === stateKey(this.runId)) this.#saving.set(body, save);
  }

  /** An object lies in the store. */
  written(key: string, body: Uint8Array, now: number): void {
    if (key.startsWith(claimsPrefix(this.runId))) this.evaluations.written(key, body, now);
    const { ledger } = this;
    const save = this.#saving.get(body);
    if (save === undefined || ledger === undefined) return;
    const saved: SavedDocument = JSON.parse(Buffer.from(body).toString("utf8"));
    this.check(() => ledger.saved(save, saved));
  }

  /** A coordinator has saved this state after these events, and is about to acknowledge them. */
  handled(state: RunState, events: readonly RunEvent[]): void {
    this.check(() => {
      this.#sendsEverything(state);
      this.#failsAfterTwo(state);
      this.#finishedOnlyGrows(state);
      for (const event of events) if (event.type === "TrialReported") keepsResult(state, event);
    });
    if (this.latest === undefined || state.lastAt >= this.latest.lastAt) this.latest = state;
  }

  /** What an ended coordinator has saved and not sent is sent by the next one that is handed anything. */
  #sendsEverything({ phase, statistics, running, finishing }: RunState): void {
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
        insist(this.#sent.has(attempt), `job ${attempt} was saved, and never sent`);
      }
  }

  /** Unless nobody could answer, what fails has failed in two attempts. */
  #failsAfterTwo({ finished, request, phase, failure = "", finishing }: RunState): void {
    const hasFailed = (work: string): boolean => (this.#failures.get(work)?.size ?? 0) >= 2;
    const isExhausted = (reason: string): boolean => reason.endsWith("(6 attempts)");
    for (const trial of finished.slice(this.latest?.finished.length ?? 0)) {
      if (trial.state !== "failed" || isExhausted(trial.reason)) continue;
      const shards = Array.from({ length: request.evaluation.shards }, (_, i) => nameWork(trial.number, i));
      insist(shards.some(hasFailed), `trial ${trial.number} failed after one attempt: ${trial.reason}`);
    }
    if (phase !== "failed" || isExhausted(failure) || /^The float model/.test(failure)) return;
    const works =
      finishing === undefined
        ? Array.from({ length: request.statistics.shards }, (_, i) => nameWork("statistics", i))
        : [nameWork("finish", 0)];
    insist(works.some(hasFailed), `the run failed after one attempt: ${failure}`);
  }

  #finishedOnlyGrows(state: RunState): void {
    const known = this.latest?.finished ?? [];
    const common = Math.min(known.length, state.finished.length);
    for (let i = 0; i < common; i++) {
      const record = state.finished[i]!;
      if (this.#compared.has(record)) continue;
      insist(
        isDeepStrictEqual(known[i], record),
        `finished trial ${known[i]?.number} was replaced or moved after it had been saved`,
      );
      this.#compared.set(record, i);
    }
    for (const [i, record] of state.finished.entries())
      insist(
        (this.#compared.get(record) ?? i) === i,
        `finished trial ${record.number} was moved after it had been saved`,
      );
  }
}

/** A result that is acknowledged must be in the saved state. */
function keepsResult(state: RunState, { trial, shard, outcome, isa, attempt }: TrialReported): void {
  if (outcome.state === "failed" || isa !== state.isa) return;
  const running = state.running.find(({ number }) => number === trial);
  if (running === undefined) {
    insist(trial < state.asked, `trial ${trial} was reported before it was asked for`);
    return;
  }
  insist(
    running.shards[shard.index]?.state === "done",
    `the result of trial ${trial}, shard ${shard.index}, attempt ${attempt} was acknowledged and is not in the state`,
  );
}
