import { isDeepStrictEqual } from "node:util";
import type { RunEvent, TrialJob, TrialReported } from "../../shared/run/messages.js";
import type { RunState, TrialRecord } from "../../shared/run/state.js";

/** An invariant does not hold. */
export class BrokenInvariantError extends Error {
  override readonly name = "BrokenInvariantError";
}

export function insist(holds: boolean, broken: string): asserts holds {
  if (!holds) throw new BrokenInvariantError(broken);
}

/** A worker's work on a job, as the world sees it. */
export interface Evaluation {
  readonly job: TrialJob;
  readonly startedAt: number;
  leaseUntil: number;
  /** It was reported as failed, or by a worker of another instruction set: it has to be done again. */
  void: boolean;
}

/** Sees everything that happens in a simulated run, and holds it against the invariants as it happens. */
export class Observer {
  /** The latest state that a coordinator has saved. */
  latest: RunState | undefined;
  broken: Error | undefined;
  /** Milliseconds of work on which money was spent, whether it led to a report or not. */
  billedMilliseconds = 0;
  /** Records that a coordinator has in memory, and the place at which they were found equal to what was saved. */
  readonly #compared = new WeakMap<TrialRecord, number>();
  readonly #evaluations = new Map<string, Evaluation[]>();
  readonly #reports = new Map<string, TrialReported>();
  /** The reports of trials, to be played again undisturbed. */
  readonly reportOf = (trial: number, shard: number, scores: string): TrialReported | undefined =>
    this.#reports.get(`${trial}/${shard}/${scores}`);

  /** Runs a check of the simulated world; the first that fails ends the simulation. */
  check(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  evaluates(job: TrialJob, now: number, leaseUntil: number): Evaluation {
    const key = `${job.trial}/${job.shard.index}`;
    const earlier = this.#evaluations.get(key) ?? [];
    this.check(() => {
      for (const { job: first, leaseUntil: until, void: isVoid } of earlier)
        insist(
          isVoid || now >= until || now >= first.deadline,
          `trial ${job.trial}, shard ${job.shard.index} is evaluated again (attempt ${job.attempt}) at ${now} although attempt ${first.attempt} has its lease until ${until} and is not overdue before ${first.deadline}`,
        );
    });
    const evaluation: Evaluation = { job, startedAt: now, leaseUntil, void: false };
    this.#evaluations.set(key, [...earlier, evaluation]);
    return evaluation;
  }

  reports(report: TrialReported, scores: string): void {
    this.#reports.set(`${report.trial}/${report.shard.index}/${scores}`, report);
  }

  /** How many times work was begun. */
  get evaluationsBegun(): number {
    return [...this.#evaluations.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /** A coordinator has saved this state after these events, and is about to acknowledge them. */
  handled(state: RunState, events: readonly RunEvent[]): void {
    this.check(() => {
      this.#finishedOnlyGrows(state);
      for (const event of events) if (event.type === "TrialReported") keepsResult(state, event);
    });
    if (this.latest === undefined || state.lastAt >= this.latest.lastAt) this.latest = state;
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
