import type { EncodedSpace } from "../space/encoding.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry, RunningEntry, TrialLedger } from "../trials/trial-ledger.js";

/**
 * Where more trials than these are running, only the latest numbers stand behind a base. Results of trials before them wait
 * for the next refit, as each would come in front of all that run.
 */
const RUNNING_LIMIT = 256;
/** So many of them at least, and less than twice as many: where they begin moves in such steps, so that rows can be kept. */
const LATEST = 128;

/** A trial behind the base of a model. */
export type PendingTrial = RunningEntry | LedgerEntry;

/** Observations that the base of a model keeps, so that a refit costs as much whatever the size of the space. */
function capacity(encoded: EncodedSpace): number {
  return Math.min(400, Math.max(128, Math.floor(Math.sqrt(6e6 / Math.max(1, encoded.size)))));
}

/**
 * Which trials models rest on. What is asked for again before the ledger changes is the same array: the models of all
 * outcomes share it.
 */
export class EvidenceRows {
  readonly #bases = new Map<number, readonly LedgerEntry[]>();
  readonly #pending = new Map<number, readonly PendingTrial[]>();
  #finished = 0;
  #running: readonly RunningEntry[] | undefined;

  constructor(readonly ledger: TrialLedger) {}

  /** The best of the first so many trials, as many as a model keeps, by number. */
  base(refit: number): readonly LedgerEntry[] {
    this.#forgetOutdated();
    const known = this.#bases.get(refit) ?? baseTrials(this.ledger, refit);
    this.#bases.set(refit, known);
    return known;
  }

  /** What stands behind the first so many trials, finished and running ones together, by number. */
  pending(refit: number): readonly PendingTrial[] {
    this.#forgetOutdated();
    const known = this.#pending.get(refit) ?? pendingTrials(this.ledger, refit);
    this.#pending.set(refit, known);
    return known;
  }

  /** How many finished trials come before the first that is running. */
  get settled(): number {
    const { finished, running } = this.ledger;
    const first = running[0]?.number ?? Number.POSITIVE_INFINITY;
    let settled = finished.length;
    while (settled > 0 && finished[settled - 1]!.number > first) {
      settled--;
    }
    return settled;
  }

  #forgetOutdated(): void {
    const { finished, running } = this.ledger;
    // Finished trials only ever become more.
    if (finished.length !== this.#finished) {
      this.#bases.clear();
    }
    if (finished.length !== this.#finished || running !== this.#running) {
      this.#pending.clear();
    }
    this.#finished = finished.length;
    this.#running = running;
  }
}

/** What is known of a pending trial; `undefined` while it runs. */
export function finishedTrial(pending: PendingTrial): FinishedTrial | undefined {
  return "trial" in pending ? pending.trial : undefined;
}

/**
 * The number of the first trial that may stand behind a base. It depends on those asked for up to the last step, so that it
 * stays while results come and as many asks follow, with just over the limit running, too.
 */
function firstPending(running: readonly RunningEntry[]): number {
  const asked = (running.at(-1)?.number ?? -1) + 1;
  const step = asked - (asked % LATEST);
  const before = running.findLastIndex(({ number }) => number < step) + 1;
  return before <= RUNNING_LIMIT ? 0 : step - LATEST;
}

function baseTrials(ledger: TrialLedger, refit: number): readonly LedgerEntry[] {
  const { finished, ranked, encoded } = ledger;
  const limit = capacity(encoded);
  if (refit <= limit) {
    return finished.slice(0, refit);
  }
  const last = finished[refit - 1]!.trial.number;
  const best: LedgerEntry[] = [];
  for (const entry of ranked) {
    if (entry.trial.number <= last && best.push(entry) === limit) {
      break;
    }
  }
  return best.sort((a, b) => a.trial.number - b.trial.number);
}

function pendingTrials({ finished, running }: TrialLedger, refit: number): readonly PendingTrial[] {
  const first = firstPending(running);
  const pending: PendingTrial[] = [];
  const latest = first === 0 ? running : running.filter(({ number }) => number >= first);
  let next = 0;
  for (let i = refit; i < finished.length; i++) {
    const entry = finished[i]!;
    while (next < latest.length && latest[next]!.number < entry.number) {
      pending.push(latest[next++]!);
    }
    if (entry.number >= first) {
      pending.push(entry);
    }
  }
  pending.push(...latest.slice(next));
  return pending;
}
