import type { EncodedSpace } from "../space/encoding.js";
import type { FinishedTrial } from "../trials/sampler.js";
import type { LedgerEntry, RunningEntry, TrialLedger } from "../trials/trial-ledger.js";

/**
 * Number of running trials beyond which models use, after their base (the trials they were fitted to), only the
 * trials with the highest numbers. Results of the others wait for the next refit (new fit), since each would
 * invalidate the model rows of all running trials after it.
 */
const RUNNING_LIMIT = 256;
/**
 * With more running trials than `RUNNING_LIMIT`, between this many and twice as many of the latest trials are
 * used; the first one moves in steps of this many.
 */
const LATEST = 128;

/** A trial, running or finished, that comes after the base (the trials that a model is fitted to). */
export type PendingTrial = RunningEntry | LedgerEntry;

/**
 * Largest number of trials in the base (those that a model is fitted to): smaller in large spaces, to limit the
 * cost of a refit.
 */
function capacity(encoded: EncodedSpace): number {
  return Math.min(400, Math.max(128, Math.floor(Math.sqrt(6e6 / Math.max(1, encoded.size)))));
}

/**
 * Selects the trials that the models of all outcomes use: a base, fixed at a refit (new fit of the models), and
 * the trials after it. Until the ledger changes, the same arrays are returned, so that the models share them.
 */
export class EvidenceRows {
  readonly #bases = new Map<number, readonly LedgerEntry[]>();
  readonly #pending = new Map<number, readonly PendingTrial[]>();
  #finished = 0;
  #running: readonly RunningEntry[] | undefined;

  constructor(readonly ledger: TrialLedger) {}

  /**
   * The base at a refit (the trials that are fitted to): of the first `refit` finished trials the best ones, up
   * to the capacity, in order of trial number.
   */
  base(refit: number): readonly LedgerEntry[] {
    this.#forgetOutdated();
    const known = this.#bases.get(refit) ?? baseTrials(this.ledger, refit);
    this.#bases.set(refit, known);
    return known;
  }

  /**
   * The trials after the first `refit` finished ones: the later finished and the running trials, in order of
   * trial number.
   */
  pending(refit: number): readonly PendingTrial[] {
    this.#forgetOutdated();
    const known = this.#pending.get(refit) ?? pendingTrials(this.ledger, refit);
    this.#pending.set(refit, known);
    return known;
  }

  /** Number of finished trials with a lower number than every running trial. */
  get finishedBeforeRunning(): number {
    const { finished, running } = this.ledger;
    const first = running[0]?.number ?? Number.POSITIVE_INFINITY;
    let finishedBeforeRunning = finished.length;
    while (finishedBeforeRunning > 0 && finished[finishedBeforeRunning - 1]!.number > first) {
      finishedBeforeRunning--;
    }
    return finishedBeforeRunning;
  }

  #forgetOutdated(): void {
    const { finished, running } = this.ledger;
    // Finished trials are never removed, so an equal count means the same trials.
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

/** The result of a pending trial; `undefined` while it runs. */
export function finishedTrial(pending: PendingTrial): FinishedTrial | undefined {
  return "trial" in pending ? pending.trial : undefined;
}

/**
 * Lowest number of the trials that are used after a base. It changes only when the highest running number
 * passes a multiple of {@link LATEST}, so it is stable while results arrive and new trials start, also with
 * just over the limit running.
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
