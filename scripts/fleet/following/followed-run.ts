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
 * A run of the fleet that is read repeatedly. Each read loads the state document, the segments (groups of finished
 * trials) completed since the last read, and the rows (per-sample scores) of partly answered trials. Earlier
 * trials are kept in memory, and the best is updated from the new ones only.
 */
export class FollowedRun {
  readonly #records: RunRecords;
  #study: Study | undefined;
  #latest: RunState | undefined;

  /** @param openStudy opens the run's study (metric and objective); called again until it returns one */
  constructor(
    store: ObjectStore,
    private readonly runId: string,
    private readonly openStudy: () => Promise<Study | undefined>,
  ) {
    this.#records = new RunRecords(store);
  }

  /** Whether the run was found to have been requested; the fleet may not have taken it up yet. */
  get isRequested(): boolean {
    return this.#study !== undefined;
  }

  /** Reads the last saved state of the run; `undefined` when there is no such run. */
  async read(): Promise<FollowedState | undefined> {
    this.#study ??= await this.openStudy();
    const saved = await this.#records.load(this.runId, this.#latest);
    if (this.#study === undefined || saved === undefined) return undefined;
    const { best, finished } = this.#latest ?? { finished: [] };
    const state = best === undefined ? saved.state : { ...saved.state, best };
    this.#latest = updateBest(this.#study, state, finished.length);
    return { state: this.#latest, study: this.#study };
  }
}
