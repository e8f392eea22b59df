import type { Queue } from "../queues/queue.js";
import { PreconditionFailedError, WriteConflictError } from "../storage/errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { updateBest } from "./asking.js";
import { type Command, markCarriedOut, pendingCommands } from "./commands.js";
import type { Billed, Job, RunEvent, RunRequested } from "./messages.js";
import { RecentlyUsed } from "./recently-used.js";
import { createReducer, type Reducer } from "./reducer.js";
import { RunRecords, type SavedState } from "./run-records.js";
import { chargeCoordinator } from "./spend.js";
import { hasEnded, type RunState } from "./state.js";
import type { Study } from "./study.js";

/** Saves that lose against another coordinator in a row before the events go back to their queue. */
const MAX_LOST_SAVES = 10;

/** States kept between events; a run beyond them is read from the store again. */
const RUNS_IN_MEMORY = 16;

export interface CoordinatorOptions {
  readonly store: ObjectStore;
  /** Where workers take jobs from. */
  readonly jobs: Queue;
  /** Where those take jobs from who only gather statistics, in runs that leave it to them; `jobs` when left out. */
  readonly statisticsJobs?: Queue;
  readonly study: Study;
  /** Trials side by side from which on what they were asked with is kept in records of its own (asked-records.ts). */
  readonly manyRunning?: number;
  /** Told of each save: what was saved, and the state that it was made from. */
  readonly onSaved?: (before: RunState | undefined, after: RunState) => void;
}

/**
 * Carries a run through the reducer: load, reduce, save by compare-and-swap, and only then carry out what the
 * saved state asks for. It is the same for every engine; who hands it events must not acknowledge them before
 * `handle` has returned, and must not call it again for a run before that.
 *
 * The state last saved is kept in memory. It is worth nothing more than the time to read it again: a save of
 * another coordinator makes this one's fail, and then it is read from the store.
 */
export class Coordinator {
  readonly #records: RunRecords;
  readonly #jobs: Queue;
  readonly #statisticsJobs: Queue;
  readonly #study: Study;
  readonly #reduce: Reducer;
  readonly #onSaved: CoordinatorOptions["onSaved"];
  readonly #saved = new RecentlyUsed<string, SavedState>(RUNS_IN_MEMORY);

  constructor({ store, jobs, statisticsJobs = jobs, study, manyRunning, onSaved }: CoordinatorOptions) {
    this.#onSaved = onSaved;
    this.#records = new RunRecords(store, manyRunning);
    this.#jobs = jobs;
    this.#statisticsJobs = statisticsJobs;
    this.#study = study;
    this.#reduce = createReducer(study);
  }

  /** The run as it was saved last; `undefined` where there is none. */
  async read(runId: string): Promise<RunState | undefined> {
    return (await this.#load(runId))?.state;
  }

  /**
   * Applies events of one run, in their order, with one save for all of them.
   *
   * @param own what the coordinator's own work is billed for and has not been charged yet, where it is billed
   * @returns the run after them; `undefined` where nobody has requested it, so that they concern no run
   */
  async handle(runId: string, events: readonly RunEvent[], own?: Billed): Promise<RunState | undefined> {
    for (let lost = 0; lost < MAX_LOST_SAVES; lost++) {
      const before = await this.#load(runId);
      const sealing = this.#seal(before?.state);
      // Waited for below, unless something else fails first.
      sealing.catch(() => undefined);
      const reduced = await this.#reduceAll(runId, before?.state, events);
      if (reduced === undefined) return undefined;
      // Not worth a save of its own.
      const isCharged = own !== undefined && reduced !== before?.state;
      const state = isCharged ? { ...reduced, spend: chargeCoordinator(reduced, own) } : reduced;
      const etag = await this.#saveChange(before, state);
      const sealed = await sealing;
      if (etag !== undefined) {
        const marked = markCarriedOut(state, sealed);
        this.#saved.set(runId, { state: marked, etag });
        if (state !== before?.state) this.#onSaved?.(before?.state, state);
        return this.#carryOut(marked, etag);
      }
      this.#saved.delete(runId);
      await this.#load(runId, before?.state);
    }
    throw new Error(`the state of run ${runId} was saved by others ${MAX_LOST_SAVES} times in a row`);
  }

  /** @returns the etag under which the state is stored; `undefined` if another coordinator has saved in between */
  async #saveChange(before: SavedState | undefined, state: RunState): Promise<string | undefined> {
    // An event can mean nothing to an outdated state and much to the one that another coordinator has saved.
    if (state === before?.state) return (await this.#records.isCurrent(before)) ? before.etag : undefined;
    try {
      return await this.#records.save(state, before?.etag);
    } catch (error) {
      if (error instanceof PreconditionFailedError || error instanceof WriteConflictError) return undefined;
      throw error;
    }
  }

  async #reduceAll(
    runId: string,
    before: RunState | undefined,
    events: readonly RunEvent[],
  ): Promise<RunState | undefined> {
    let state = before;
    for (const event of events) {
      if (event.runId !== runId)
        throw new TypeError(`an event of run ${event.runId} was handed over for ${runId}`);
      const fitting =
        state === undefined && event.type === "RunRequested" ? await this.#create(event) : event;
      state = this.#reduce(state, fitting).state;
    }
    return state;
  }

  async #create(event: RunRequested): Promise<RunRequested> {
    const request = await this.#records.create(event.request);
    return { ...event, request, restored: await this.#records.readRestored(request) };
  }

  async #load(runId: string, earlier?: RunState): Promise<SavedState | undefined> {
    const known = this.#saved.get(runId);
    if (known !== undefined) return known;
    const loaded = await this.#records.load(runId, earlier);
    if (loaded === undefined) return undefined;
    const saved = { state: updateBest(this.#study, loaded.state, 0), etag: loaded.etag };
    this.#saved.set(runId, saved);
    return saved;
  }

  /**
   * Writes the segments that a state which is known to be saved has full, while what follows it is reduced and
   * saved: the store takes as long for them as for the state.
   */
  async #seal(saved: RunState | undefined): Promise<readonly Command[]> {
    if (saved === undefined) return [];
    const asked = this.#records.sealAsked(saved);
    // Waited for below, unless a segment fails first.
    asked.catch(() => undefined);
    const records = pendingCommands(saved).filter(isRecord);
    for (const { segment, trials } of records)
      await this.#records.writeSegment(saved.request, segment, trials);
    await asked;
    return records;
  }

  /**
   * What could not be sent stays unmarked, here and in the store, and is tried again with the next event. That
   * something was sent is saved with the next state: if the process ends before, it is sent twice.
   */
  async #carryOut(state: RunState, etag: string): Promise<RunState> {
    // Records are written with the next event; after the last one there is none.
    const commands = pendingCommands(state).filter((command) => hasEnded(state) || !isRecord(command));
    if (commands.length === 0) return state;
    const jobs = commands.flatMap(jobOf);
    const { request } = state;
    const isCollectors = ({ type }: Job): boolean =>
      type === "statistics" && request.statistics.by !== "evaluators";
    for (const [queue, sent] of [
      [this.#statisticsJobs, jobs.filter(isCollectors)],
      [this.#jobs, jobs.filter((job) => !isCollectors(job))],
    ] as const) {
      if (sent.length > 0) await queue.send(sent.map((job) => ({ body: JSON.stringify(job) })));
    }
    if (hasEnded(state)) await this.#seal(state);
    const marked = markCarriedOut(state, commands);
    this.#saved.set(request.runId, { state: marked, etag });
    return marked;
  }
}

function isRecord(command: Command): command is Extract<Command, { type: "WriteRecord" }> {
  return command.type === "WriteRecord";
}

function jobOf(command: Command): readonly Job[] {
  switch (command.type) {
    case "SendStatisticsJob":
    case "SendTrialJob":
    case "SendFinishJob":
      return [command.job];
    case "WriteRecord":
      return [];
  }
}
