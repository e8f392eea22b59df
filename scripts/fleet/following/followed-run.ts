import type { RunState } from "../../../shared/run/protocol/state.js";
import type { Study } from "../../../shared/run/protocol/study.js";
import { RunRecords } from "../../../shared/run/records/run-records.js";
import { updateBest } from "../../../shared/run/reducer/open-trials.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";

export interface FollowedState {
  readonly state: RunState;
  readonly study: Study;
}

/**
 * A run of the fleet that is read again and again. A look takes the state document, the segments of trials that were
 * sealed since the last look, and the rows of trials whose shards have partly answered; the trials before are kept,
 * and the best is brought up to date with the new ones alone.
 */
export class FollowedRun {
  readonly #records: RunRecords;
  #study: Study | undefined;
  #latest: RunState | undefined;

  /** @param openStudy asked until it gives one */
  constructor(
    store: ObjectStore,
    private readonly runId: string,
    private readonly openStudy: () => Promise<Study | undefined>,
  ) {
    this.#records = new RunRecords(store);
  }

  /** Whether somebody has asked for the run, as far as was seen; the fleet may not have heard of it yet. */
  get isAskedFor(): boolean {
    return this.#study !== undefined;
  }

  /** The run as it was saved last; `undefined` where there is no such run. */
  async look(): Promise<FollowedState | undefined> {
    this.#study ??= await this.openStudy();
    const saved = await this.#records.load(this.runId, this.#latest);
    if (this.#study === undefined || saved === undefined) return undefined;
    const { best, finished } = this.#latest ?? { finished: [] };
    const state = best === undefined ? saved.state : { ...saved.state, best };
    this.#latest = updateBest(this.#study, state, finished.length);
    return { state: this.#latest, study: this.#study };
  }
}
