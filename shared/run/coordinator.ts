import { setImmediate } from "node:timers/promises";
import { mapConcurrently } from "../basics/map-concurrently.js";
import { RecentlyUsed } from "../basics/recently-used.js";
import type { Queue } from "../queues/queue.js";
import { PreconditionFailedError, WriteConflictError } from "../storage/errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Billed, Job, RunEvent, RunRequested } from "./protocol/messages.js";
import { hasEnded, type RunState } from "./protocol/state.js";
import type { Study } from "./protocol/study.js";
import { RunRecords, type SavedState } from "./records/run-records.js";
import { chargeCoordinator } from "./reducer/charges.js";
import { canAskMore, updateBest } from "./reducer/open-trials.js";
import { type Command, markCarriedOut, pendingCommands } from "./reducer/pending-commands.js";
import { createReducer, type Reducer } from "./reducer/reducer.js";
import type { RunStarted } from "./reducer/reducer-event.js";

/** Saves that lose against another coordinator in a row before the events go back to their queue. */
const MAX_LOST_SAVES = 10;

/**
 * Trials decided on with one save. What they try is in the next one, and gets a record of its own before the one after that
 * (asked-records.ts); so the document is small where a run begins with a thousand side by side, too, and the first of them
 * are at work while the others are asked for.
 */
const MOST_ASKED = 64;

/** Segments written at once. */
const WRITES = 32;

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
  /** Trials asked for with one save, 64 when left out. */
  readonly mostAsked?: number;
  /** Lets a save that was begun go on, while the sampler is asked; an immediate when left out. */
  readonly pause?: () => Promise<void>;
  /** Told of each save: what was saved, and the state that it was made from. */
  readonly onSaved?: (before: RunState | undefined, after: RunState) => void;
}

/** A run after as many of the events handed over as went into one save. */
interface Heard {
  readonly state: RunState | undefined;
  readonly heard: number;
}

/**
 * Carries a run through the reducer: load, reduce, save by compare-and-swap, and only then carry out what the
 * saved state asks for. It is the same for every engine; who hands it events must not acknowledge them before
 * `handle` has returned, and must not call it again for a run before that.
 *
 * While the store saves which trials were decided on, the sampler says what they try: that follows from the saved state,
 * so a coordinator that reads it instead comes to the same.
 *
 * The state last saved, with what the sampler said to it, is kept in memory. It is worth nothing more than the time to read
 * it again and to ask again: a save of another coordinator makes this one's fail, and then it is read from the store.
 */
export class Coordinator {
  readonly #records: RunRecords;
  readonly #jobs: Queue;
  readonly #statisticsJobs: Queue;
  readonly #study: Study;
  readonly #reducer: Reducer;
  readonly #pause: () => Promise<void>;
  readonly #onSaved: CoordinatorOptions["onSaved"];
  readonly #saved = new RecentlyUsed<string, SavedState>(RUNS_IN_MEMORY);

  constructor(options: CoordinatorOptions) {
    const {
      store,
      jobs,
      statisticsJobs = jobs,
      study,
      manyRunning,
      mostAsked = MOST_ASKED,
      pause = setImmediate,
      onSaved,
    } = options;
    this.#onSaved = onSaved;
    this.#records = new RunRecords(store, manyRunning);
    this.#jobs = jobs;
    this.#statisticsJobs = statisticsJobs;
    this.#study = study;
    this.#reducer = createReducer(study, { mostAsked });
    this.#pause = () => pause();
  }

  /** The run as it was saved last, with what the sampler says to it; `undefined` where there is none. */
  async read(runId: string): Promise<RunState | undefined> {
    return (await this.#load(runId))?.state;
  }

  /**
   * Applies events of one run, in their order, with one save for all of them, and further ones where more trials are
   * to be asked for than one may ask for.
   *
   * @param own what the coordinator's own work is billed for and has not been charged yet, where it is billed
   * @returns the run after them; `undefined` where nobody has requested it, so that they concern no run
   */
  async handle(runId: string, events: readonly RunEvent[], own?: Billed): Promise<RunState | undefined> {
    let { state, heard } = await this.#handleWithOneSave(runId, events, own);
    while (state !== undefined && (heard < events.length || canAskMore(state))) {
      const next = await this.#handleWithOneSave(runId, events.slice(heard));
      state = next.state;
      heard += next.heard;
    }
    return state;
  }

  async #handleWithOneSave(runId: string, events: readonly RunEvent[], own?: Billed): Promise<Heard> {
    for (let lost = 0; lost < MAX_LOST_SAVES; lost++) {
      const before = await this.#load(runId);
      const sealing = this.#seal(before?.state);
      // Waited for below, unless something else fails first.
      sealing.catch(() => undefined);
      const { state: reduced, heard } = await this.#reduceSome(runId, before?.state, events);
      if (reduced === undefined) return { state: undefined, heard };
      const begun = before === undefined ? await this.#sealRestored(reduced) : reduced;
      // Not worth a save of its own.
      const isCharged = own !== undefined && begun !== before?.state;
      const state = isCharged ? { ...begun, spend: chargeCoordinator(begun, own) } : begun;
      // Else this save would hold, beside the trials that it asks for, those of the save before.
      if (before !== undefined && canAskMore(before.state)) await sealing;
      const saving = this.#saveChange(before, state);
      saving.catch(() => undefined);
      const proposed = await this.#proposeAll(state);
      const etag = await saving;
      const sealed = await sealing;
      if (etag !== undefined) {
        const marked = markCarriedOut(proposed, sealed);
        this.#saved.set(runId, { state: marked, etag });
        if (state !== before?.state) this.#onSaved?.(before?.state, state);
        return { state: await this.#carryOut(marked, etag), heard };
      }
      this.#saved.delete(runId);
      await this.#load(runId, before?.state);
    }
    throw new Error(`the state of run ${runId} was saved by others ${MAX_LOST_SAVES} times in a row`);
  }

  async #proposeAll(state: RunState): Promise<RunState> {
    for (let before = state; ; ) {
      // Ahead of the first, too: what was begun is otherwise on its way only when the sampler is done.
      await this.#pause();
      const after = this.#reducer.propose(before);
      if (after === before) return after;
      before = after;
    }
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

  /**
   * Reduces events until one leaves more trials to be decided on than go into a save. A run that was saved like that
   * decides on before it hears anything, whoever carries it on: results heard in between would make it ask otherwise.
   */
  async #reduceSome(
    runId: string,
    before: RunState | undefined,
    events: readonly RunEvent[],
  ): Promise<Heard> {
    let state = before;
    if (state !== undefined && canAskMore(state)) {
      const [next] = events;
      // What a resumed run is to leave out of its time has not been left out yet.
      const at = next === undefined || next.type === "RunResumed" ? state.lastAt : next.at;
      return { state: this.#reducer.hear(state, { type: "AskingContinued", runId, at }), heard: 0 };
    }
    for (const [index, event] of events.entries()) {
      if (event.runId !== runId)
        throw new TypeError(`an event of run ${event.runId} was handed over for ${runId}`);
      const fitting =
        state === undefined && event.type === "RunRequested" ? await this.#create(event) : event;
      state = this.#reducer.hear(state, fitting);
      if (state !== undefined && canAskMore(state)) return { state, heard: index + 1 };
    }
    return { state, heard: events.length };
  }

  async #create(event: RunRequested): Promise<RunStarted> {
    const request = await this.#records.create(event.request);
    return { ...event, request, restored: await this.#records.readRestored(request) };
  }

  async #load(runId: string, earlier?: RunState): Promise<SavedState | undefined> {
    const known = this.#saved.get(runId);
    if (known !== undefined) return known;
    const loaded = await this.#records.load(runId, earlier);
    if (loaded === undefined) return undefined;
    const state = await this.#proposeAll(updateBest(this.#study, loaded.state, 0));
    const saved = { state, etag: loaded.etag };
    this.#saved.set(runId, saved);
    return saved;
  }

  /**
   * Writes what a state which is known to be saved, and has no open trials, has full, while what follows it is reduced and
   * saved: the store takes as long for it as for the state.
   */
  async #seal(saved: RunState | undefined): Promise<readonly Command[]> {
    if (saved === undefined) return [];
    const [records] = await Promise.all([this.#sealFinished(saved), this.#records.sealAsked(saved)]);
    return records;
  }

  async #sealFinished(saved: RunState): Promise<readonly Command[]> {
    const records = pendingCommands(saved).filter(isRecord);
    await mapConcurrently(records, WRITES, ({ segment, trials }) =>
      this.#records.writeSegment(saved.request, segment, trials),
    );
    return records;
  }

  /**
   * A new run's trials are the ones that it begins with. They are written once, so that whoever makes the first state
   * makes segments of the same, and need not be saved before.
   */
  async #sealRestored(first: RunState): Promise<RunState> {
    return markCarriedOut(first, await this.#sealFinished(first));
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
