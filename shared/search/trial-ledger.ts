import { type Codes, codesKey, type EncodedSpace, encodeConfiguration } from "./encoding.js";
import { compareTrials } from "./ranking.js";
import type { FinishedTrial } from "./sampler.js";
import type { Configuration } from "./space.js";

/** A finished trial with its encoded configuration. */
export interface LedgerEntry {
  readonly trial: FinishedTrial;
  readonly codes: Codes;
}

/**
 * What a sampler has been told: the finished trials by ascending number, whatever order they came in, and the
 * running ones. Sums over the ledger are taken in that order, so that they are equal to the last bit for equal
 * sets of trials.
 */
export class TrialLedger {
  readonly #finished: LedgerEntry[] = [];
  readonly #ranked: LedgerEntry[] = [];
  readonly #finishedNumbers = new Set<number>();
  readonly #running = new Map<number, Codes>();
  readonly #uses = new Map<string, number>();

  constructor(readonly encoded: EncodedSpace) {}

  get finished(): readonly LedgerEntry[] {
    return this.#finished;
  }

  /** The finished trials, best first (`compareTrials`). */
  get ranked(): readonly LedgerEntry[] {
    return this.#ranked;
  }

  /** Configurations handed out and not yet ended, by ascending trial number. */
  get running(): readonly Codes[] {
    return [...this.#running].sort(([a], [b]) => a - b).map(([, codes]) => codes);
  }

  /** How many different configurations are finished or running. */
  get distinct(): number {
    return this.#uses.size;
  }

  /** Whether the configuration is finished or running. */
  has(codes: Codes): boolean {
    return this.#uses.has(codesKey(codes));
  }

  started(trial: number, configuration: Configuration): void {
    if (this.#finishedNumbers.has(trial) || this.#running.has(trial)) {
      return;
    }
    const codes = encodeConfiguration(this.encoded, configuration);
    this.#running.set(trial, codes);
    this.#use(codes, 1);
  }

  /** @returns the new entry, or `undefined` when the trial was already known as finished */
  tell(trial: FinishedTrial): LedgerEntry | undefined {
    if (this.#finishedNumbers.has(trial.number)) {
      return undefined;
    }
    const entry = { trial, codes: encodeConfiguration(this.encoded, trial.configuration) };
    const running = this.#running.get(trial.number);
    if (running !== undefined) {
      this.#running.delete(trial.number);
      this.#use(running, -1);
    }
    this.#use(entry.codes, 1);
    this.#finishedNumbers.add(trial.number);
    insert(this.#finished, entry, (a, b) => a.trial.number - b.trial.number);
    insert(this.#ranked, entry, (a, b) => compareTrials(a.trial, b.trial));
    return entry;
  }

  #use(codes: Codes, change: 1 | -1): void {
    const key = codesKey(codes);
    const uses = (this.#uses.get(key) ?? 0) + change;
    if (uses === 0) {
      this.#uses.delete(key);
    } else {
      this.#uses.set(key, uses);
    }
  }
}

/** Inserts into a sorted array; new entries mostly belong near the end of one by number. */
function insert(
  sorted: LedgerEntry[],
  entry: LedgerEntry,
  compare: (a: LedgerEntry, b: LedgerEntry) => number,
): void {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(sorted[middle]!, entry) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  sorted.splice(low, 0, entry);
}
