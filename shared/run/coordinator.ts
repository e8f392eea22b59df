import { setImmediate } from "node:timers/promises";
import { mapConcurrently } from "../basics/map-concurrently.js";
import { RecentlyUsed } from "../basics/recently-used.js";
import { safeguard } from "../basics/safeguard.js";
import type { Queue } from "../queues/queue.js";
import { PreconditionFailedError, WriteConflictError } from "../storage/errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Billed, Job, RunEvent, RunRequested } from "./protocol/messages.js";
import { hasEnded, type RunState } from "./protocol/state.js";
import type { Study } from "./protocol/study.js";
import { RunRecords, type SavedState } from "./records/run-records.js";
import { chargeCoordinator } from "./reducer/charges.js";
import { canOpenMore, updateBest } from "./reducer/open-trials.js";
import { type Command, markCarriedOut, pendingCommands } from "./reducer/pending-commands.js";
import { createReducer, type Reducer } from "./reducer/reducer.js";
import type { RunStarted } from "./reducer/reducer-event.js";

/**
 * Number of failed compare-and-swaps of a run's state in a row after which the events go back to their queue.
 */
const MAX_LOST_SAVES = 10;

/**
 * Maximum number of trials opened (numbered and started, their configurations still to be proposed) per save
 * of the state. The next save contains their configurations, and before the save after that a segment (a
 * stored group of running trials, records/running-trial-segments.ts) holds these. So the state document stays
 * small where a run starts with a thousand trials at once, and workers start the first trials while others
 * are still being opened.
 */
const MAX_OPENED = 64;

/** Maximum number of segments (stored groups of trials) that are written concurrently. */
const WRITES = 32;

/**
 * Maximum number of runs whose state is cached in memory between events; the state of other runs is read from
 * the store again.
 */
const RUNS_IN_MEMORY = 16;

export interface CoordinatorOptions {
  readonly store: ObjectStore;
  /** Queue of jobs for workers. */
  readonly jobs: Queue;
  /** Queue of statistics jobs, for runs whose statistics are gathered by collectors; `jobs` when absent. */
  readonly statisticsJobs?: Queue;
  readonly study: Study;
  /**
   * Number of running trials from which on their configurations are stored in segments (groups of trials),
   * apart from the state document.
   */
  readonly segmentThreshold?: number;
  /** Maximum number of trials opened (numbered and started) per save of the state; 64 when absent. */
  readonly maxOpened?: number;
  /**
   * Yields to I/O between calls of the sampler, so that a save makes progress; `setImmediate` when absent.
   */
  readonly pause?: () => Promise<void>;
  /** Called after each save of a run's state with the states before and after it. */
  readonly onSaved?: (before: RunState | undefined, after: RunState) => void;
}

/** The state of a run after one save, and how many of the given events it includes. */
interface SavedEvents {
  readonly state: RunState | undefined;
  readonly eventCount: number;
}

/**
 * Runs the event loop of runs: load the state, reduce events, save the state by compare-and-swap, and only
 * then carry out the commands that follow from the saved state. It is the same for every engine. Callers must
 * not acknowledge events before `handle` has returned, and must not call `handle` again for the same run
 * before that.
 *
 * While the store saves which trials are opened, the sampler proposes their configurations. These follow from
 * the saved state, so a coordinator that reads the state after a crash proposes the same ones.
 *
 * The last saved state and its proposals are cached in memory. The cache only saves the time to read the
 * state and to propose again: when another coordinator has saved in between, the compare-and-swap fails and
 * the state is read again.
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
      segmentThreshold,
      maxOpened = MAX_OPENED,
      pause = setImmediate,
      onSaved,
    } = options;
    this.#onSaved = onSaved;
    this.#records = new RunRecords(store, segmentThreshold);
    this.#jobs = jobs;
    this.#statisticsJobs = statisticsJobs;
    this.#study = study;
    this.#reducer = createReducer(study, { maxOpened });
    this.#pause = () => pause();
  }

  /**
   * The state of a run as last saved, with the configurations that the sampler proposes for it; `undefined`
   * if there is no such run.
   */
  async read(runId: string): Promise<RunState | undefined> {
    return (await this.#load(runId))?.state;
  }

  /**
   * Applies events of one run in order, with one save for all of them; further saves follow where more trials
   * are to be opened than one save may hold.
   *
   * @param own bill of the coordinator's own work that has not been charged yet, where work is billed
   * @returns the run after the events; `undefined` if the run was never requested
   */
  async handle(runId: string, events: readonly RunEvent[], own?: Billed): Promise<RunState | undefined> {
    let { state, eventCount } = await this.#handleWithOneSave(runId, events, own);
    while (state !== undefined && (eventCount < events.length || canOpenMore(state))) {
      const next = await this.#handleWithOneSave(runId, events.slice(eventCount));
      state = next.state;
      eventCount += next.eventCount;
    }
    return state;
  }

  async #handleWithOneSave(runId: string, events: readonly RunEvent[], own?: Billed): Promise<SavedEvents> {
    for (let lost = 0; lost < MAX_LOST_SAVES; lost++) {
      const before = await this.#load(runId);
      const writingSegments = this.#writeSegments(before?.state);
      // The promise is awaited below; this handler prevents an unhandled rejection if something else fails
      // first.
      writingSegments.catch(() => undefined);
      const { state: reduced, eventCount } = await this.#reduceSome(runId, before?.state, events);
      if (reduced === undefined) return { state: undefined, eventCount };
      const begun = before === undefined ? await this.#writeRestoredSegments(reduced) : reduced;
      // The coordinator's own work is charged only with a save that happens anyway.
      const isCharged = own !== undefined && begun !== before?.state;
      const state = isCharged ? { ...begun, spend: chargeCoordinator(begun, own) } : begun;
      // Wait for the segments: otherwise this save would contain the configurations of the trials opened with
      // the last save too.
      if (before !== undefined && canOpenMore(before.state)) await writingSegments;
      const saving = this.#saveChange(before, state);
      saving.catch(() => undefined);
      const proposed = await this.#proposeAll(state);
      const etag = await saving;
      const written = await writingSegments;
      if (etag !== undefined) {
        const marked = markCarriedOut(proposed, written);
        this.#saved.set(runId, { state: marked, etag });
        if (state !== before?.state) this.#onSaved?.(before?.state, state);
        return { state: await this.#carryOut(marked, etag), eventCount };
      }
      this.#saved.delete(runId);
      await this.#load(runId, before?.state);
    }
    throw new Error(`the state of run ${runId} was saved by others ${MAX_LOST_SAVES} times in a row`);
  }

  async #proposeAll(state: RunState): Promise<RunState> {
    for (let before = state; ; ) {
      // Pause also before the first call of the sampler: otherwise the save starts only after the sampler is
      // done.
      await this.#pause();
      const after = this.#reducer.propose(before);
      if (after === before) return after;
      before = after;
    }
  }

  /**
   * Saves the state if it has changed.
   *
   * @returns the etag under which the state is stored; `undefined` if another coordinator has saved in
   * between
   */
  async #saveChange(before: SavedState | undefined, state: RunState): Promise<string | undefined> {
    // An event may change nothing in an outdated state and still change the state that another coordinator
    // has saved.
    if (state === before?.state) return (await this.#records.isCurrent(before)) ? before.etag : undefined;
    try {
      return await this.#records.save(state, before?.etag);
    } catch (error) {
      if (error instanceof PreconditionFailedError || error instanceof WriteConflictError) return undefined;
      throw error;
    }
  }

  /**
   * Reduces events until the state must open more trials than one save may hold. A state that was saved in
   * this condition opens its other trials before any further event is applied, in every coordinator: an event
   * in between would change which trials are opened.
   */
  async #reduceSome(
    runId: string,
    before: RunState | undefined,
    events: readonly RunEvent[],
  ): Promise<SavedEvents> {
    let state = before;
    if (state !== undefined && canOpenMore(state)) {
      const [next] = events;
      // The time before a resumption is a pause that has not been subtracted from the run's time yet, so the
      // time of the last event counts instead.
      const at = next === undefined || next.type === "RunResumed" ? state.lastAt : next.at;
      return {
        state: this.#reducer.apply(state, { type: "ContinueOpeningTrials", runId, at }),
        eventCount: 0,
      };
    }
    for (const [index, event] of events.entries()) {
      if (event.runId !== runId)
        throw new TypeError(`an event of run ${event.runId} was handed over for ${runId}`);
      const fitting =
        state === undefined && event.type === "RunRequested" ? await this.#create(event) : event;
      state = this.#reducer.apply(state, fitting);
      if (state !== undefined && canOpenMore(state)) return { state, eventCount: index + 1 };
    }
    return { state, eventCount: events.length };
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
    const open = updateBest(this.#study, loaded.state, 0);
    const state = safeguard("loaded-trials-are-proposed") ? await this.#proposeAll(open) : open;
    const saved = { state, etag: loaded.etag };
    this.#saved.set(runId, saved);
    return saved;
  }

  /**
   * Writes the full segments (stored groups of trials) of a saved state without open trials, and returns the
   * commands carried out. It runs concurrently with reducing and saving the next state, because the store
   * takes as long for both.
   */
  async #writeSegments(saved: RunState | undefined): Promise<readonly Command[]> {
    if (saved === undefined) return [];
    const [records] = await Promise.all([
      this.#writeFinishedSegments(saved),
      this.#records.writeRunningTrialSegments(saved),
    ]);
    return records;
  }

  async #writeFinishedSegments(saved: RunState): Promise<readonly Command[]> {
    const records = pendingCommands(saved).filter(isSegment);
    await mapConcurrently(records, WRITES, ({ segment, trials }) =>
      this.#records.writeSegment(saved.request, segment, trials),
    );
    return records;
  }

  /**
   * Writes the segments of a new run's restored trials (those taken from an earlier run). Their records are
   * immutable, so they may be written before the first state is saved.
   */
  async #writeRestoredSegments(first: RunState): Promise<RunState> {
    return markCarriedOut(first, await this.#writeFinishedSegments(first));
  }

  /**
   * Sends the jobs that a saved state implies. A command that fails stays unmarked, here and in the store,
   * and is repeated with the next event. The mark of a sent job is saved with the next state: if the process
   * ends before that, the job is sent twice.
   */
  async #carryOut(state: RunState, etag: string): Promise<RunState> {
    // Segments (groups of finished trials) are written with the next event, except after the last event.
    const commands = pendingCommands(state).filter((command) => hasEnded(state) || !isSegment(command));
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
    if (hasEnded(state)) await this.#writeSegments(state);
    const marked = markCarriedOut(state, commands);
    this.#saved.set(request.runId, { state: marked, etag });
    return marked;
  }
}

function isSegment(command: Command): command is Extract<Command, { type: "WriteRecord" }> {
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
