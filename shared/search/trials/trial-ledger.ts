import { type Codes, codesKey, type EncodedSpace, encodeConfiguration } from "../space/encoding.js";
import type { Configuration } from "../space/space.js";
import { compareTrials } from "./ranking.js";
import type { FinishedTrial } from "./sampler.js";

/** A finished trial with its encoded configuration. */
export interface LedgerEntry {
  readonly number: number;
  readonly trial: FinishedTrial;
  readonly codes: Codes;
}

/** A running trial with its encoded configuration. */
export interface RunningEntry {
  readonly number: number;
  readonly configuration: Configuration;
  readonly codes: Codes;
}

/**
 * The finished and running trials of a sampler. Finished trials are kept by ascending number, in whatever
 * order their results arrived, and sums are taken in that order, so that equal sets of trials give equal sums
 * to the last bit.
 */
export class TrialLedger {
  readonly #finished: LedgerEntry[] = [];
  readonly #ranked: LedgerEntry[] = [];
  readonly #finishedNumbers = new Set<number>();
  readonly #running = new Map<number, RunningEntry>();
  readonly #uses = new Map<string, number>();
  readonly #finishedByKey = new Map<string, LedgerEntry>();
  #runningByNumber: readonly RunningEntry[] | undefined;
  #objectives = 0;
  /** The latest proposed configuration with its codes; the next `started` is expected to be for it. */
  #asked: { readonly configuration: Configuration; readonly codes: Codes } | undefined;

  constructor(readonly encoded: EncodedSpace) {}

  get finished(): readonly LedgerEntry[] {
    return this.#finished;
  }

  /** The finished trials, best first (`compareTrials`). */
  get ranked(): readonly LedgerEntry[] {
    return this.#ranked;
  }

  /** Running trials by ascending number. */
  get running(): readonly RunningEntry[] {
    this.#runningByNumber ??= [...this.#running.values()].sort((a, b) => a.number - b.number);
    return this.#runningByNumber;
  }

  /** Number of objectives: the largest number of values of a finished trial. */
  get objectives(): number {
    return this.#objectives;
  }

  /** Number of different configurations of the finished and running trials. */
  get distinct(): number {
    return this.#uses.size;
  }

  /** Whether a finished or running trial has the configuration with this key (`codesKey`). */
  has(key: string): boolean {
    return this.#uses.has(key);
  }

  /** The best finished trial of the configuration with this key (`codesKey`). */
  find(key: string): LedgerEntry | undefined {
    return this.#finishedByKey.get(key);
  }

  /** Keeps the codes of a proposed configuration, so that `started` need not encode it again. */
  remember(configuration: Configuration, codes: Codes): void {
    this.#asked = { configuration, codes };
  }

  /** Adds a running trial; ignored when the trial is already running or finished. */
  started(trial: number, configuration: Configuration): void {
    if (this.#finishedNumbers.has(trial) || this.#running.has(trial)) {
      return;
    }
    const codes =
      this.#asked?.configuration === configuration
        ? this.#asked.codes
        : encodeConfiguration(this.encoded, configuration);
    this.#running.set(trial, { number: trial, configuration, codes });
    this.#runningByNumber = undefined;
    this.#use(codes, 1);
  }

  /** @returns the new entry of the finished trial, or `undefined` when its result was already known */
  tell(trial: FinishedTrial): LedgerEntry | undefined {
    if (this.#finishedNumbers.has(trial.number)) {
      return undefined;
    }
    const running = this.#running.get(trial.number);
    // Reuses the codes array of the running trial: caches of the models compare trials by that array's
    // identity.
    const codes =
      running?.configuration === trial.configuration
        ? running.codes
        : encodeConfiguration(this.encoded, trial.configuration);
    const entry = { number: trial.number, trial, codes };
    if (running !== undefined) {
      this.#running.delete(trial.number);
      this.#runningByNumber = undefined;
      this.#use(running.codes, -1);
    }
    this.#use(entry.codes, 1);
    const key = codesKey(entry.codes);
    const known = this.#finishedByKey.get(key);
    if (known === undefined || compareTrials(trial, known.trial) < 0) {
      this.#finishedByKey.set(key, entry);
    }
    this.#objectives = Math.max(this.#objectives, trial.values.length);
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

/** Inserts a trial into an array sorted by `compare`, by binary search. */
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
