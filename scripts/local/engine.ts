import { type Clock, systemClock } from "../../shared/queues/clock.js";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import type { Queue } from "../../shared/queues/queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import type { Limits } from "../../shared/run/protocol/limits.js";
import { eventSchema, MESSAGE_VERSION, type RunEvent } from "../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import { hasEnded, type RunState } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { describeProgress, type Progress } from "../../shared/run/result/progress.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { runJobLoop } from "./job-loop.js";
import type { JobRunner } from "./job-runner.js";
import { LatestValue } from "./latest-value.js";

const TICK_MILLISECONDS = 1_000;
/** Maximum number of events that are handled between two saves of the run's state. */
const EVENT_BATCH = 10;
/** Maximum message size, bounded only by memory because messages stay in this process. */
const MAX_MESSAGE_BYTES = 64 * 1_048_576;
/** Milliseconds until a job is delivered again: never, because none can be lost inside the process. */
const NEVER_VISIBLE_AGAIN = 2 ** 31 - 1;

export interface EngineOptions {
  /** Folder of the run's records: the folder `run` in the output folder. */
  readonly folder: string;
  readonly study: Study;
  readonly runner: JobRunner;
  /** The request of a new run, or the id of a run to resume. */
  readonly run:
    | { readonly request: RunRequest }
    | {
        readonly resume: string;
        /** New limits of the resumed run; when absent, its limits stay as they are. */
        readonly limits?: Limits;
      };
  /** When the run counts as started, in milliseconds of the clock; now when absent. */
  readonly startedAt?: number;
  /** Cancels the search; the best of the finished trials is still written. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface Engine {
  /** The run's progress: each time the consumer asks, the latest. */
  readonly progress: AsyncIterable<Progress>;
  /** The run's final state, in phase `done` or `failed`. */
  readonly ended: Promise<RunState>;
}

/**
 * Runs a request on this machine, with the same reducer and jobs as on AWS, over a folder and in-process
 * queues. The folder is locked, so that two processes never work on one run; the lock of a dead process is
 * taken over.
 *
 * `ended` rejects with LockedError if another process works on the run, and with RunNotFoundError if there is
 * no run to resume. The runner is closed in any case.
 */
export function startEngine(options: EngineOptions): Engine {
  const progress = new LatestValue<Progress>();
  const ended = runLocked(options, progress).finally(() => progress.close());
  return { progress, ended };
}

export class RunNotFoundError extends Error {
  override readonly name = "RunNotFoundError";
  constructor(
    readonly runId: string,
    readonly folder: string,
  ) {
    super(`${folder} holds no run ${runId}; start it without --resume.`);
  }
}

/** The ids of the runs stored in the folder. */
export async function listRuns(folder: string): Promise<readonly string[]> {
  const store = await FileObjectStore.open(folder);
  const runs: string[] = [];
  for await (const key of store.list("runs/")) {
    const [, runId = "", name] = key.split("/");
    if (name === "state.json") runs.push(runId);
  }
  return runs;
}

async function runLocked(options: EngineOptions, progress: LatestValue<Progress>): Promise<RunState> {
  try {
    const store = await FileObjectStore.open(options.folder);
    const lock = await store.lock("engine");
    try {
      return await coordinateRun(options, store, progress);
    } finally {
      await lock.release();
    }
  } finally {
    await options.runner.close();
  }
}

async function coordinateRun(
  options: EngineOptions,
  store: ObjectStore,
  progress: LatestValue<Progress>,
): Promise<RunState> {
  const { study, runner, run, signal, clock = systemClock } = options;
  const runId = "request" in run ? run.request.runId : run.resume;
  const queueOptions = {
    visibilityMilliseconds: NEVER_VISIBLE_AGAIN,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    clock,
  };
  const jobs = new InProcessQueue({ kind: "standard", ...queueOptions });
  const events = new InProcessQueue({ kind: "fifo", ...queueOptions });
  const coordinator = new Coordinator({ store, jobs, study });
  const handle = async (batch: readonly RunEvent[]): Promise<RunState> => {
    const state = await coordinator.handle(runId, batch);
    if (state === undefined) throw new RunNotFoundError(runId, options.folder);
    progress.set(describeProgress(state, clock.now()));
    return state;
  };

  const base = { version: MESSAGE_VERSION, runId } as const;
  const present = await coordinator.read(runId);
  if (present === undefined && "resume" in run) throw new RunNotFoundError(runId, options.folder);
  const at = options.startedAt ?? clock.now();
  const limits = "resume" in run && run.limits !== undefined ? { limits: run.limits } : {};
  let state = await handle([
    present === undefined && "request" in run
      ? { ...base, type: "RunRequested", at, request: run.request }
      : { ...base, type: "RunResumed", at, ...limits },
  ]);

  const stop = new AbortController();
  const cancel = signal ?? new AbortController().signal;
  const sendCancel = (): void => {
    const event = { ...base, type: "CancelRequested", at: clock.now() };
    void events.send([{ body: JSON.stringify(event), group: runId, deduplication: "cancel" }]);
  };
  const failure = new AbortController();
  const loops = Array.from({ length: runner.slots }, () =>
    // A job loop that fails ends the run, and thereby the other loops.
    runJobLoop({ jobs, events, store, runner, clock, stop: stop.signal, cancel }).catch((error: unknown) =>
      failure.abort(error),
    ),
  );
  try {
    if (cancel.aborted) sendCancel();
    else cancel.addEventListener("abort", sendCancel, { once: true });
    let tickAt = clock.now() + TICK_MILLISECONDS;
    while (!hasEnded(state)) {
      const batch = await receiveEvents(events, failure.signal);
      failure.signal.throwIfAborted();
      const now = clock.now();
      const isTick = now >= tickAt;
      if (isTick) tickAt = now + TICK_MILLISECONDS;
      const tick: readonly RunEvent[] = isTick ? [{ ...base, type: "Tick", at: now }] : [];
      state = await handle([...batch.map(({ event }) => event), ...tick]);
      for (const { receipt } of batch) await events.acknowledge(receipt);
    }
    return state;
  } finally {
    cancel.removeEventListener("abort", sendCancel);
    stop.abort();
    await Promise.all(loops);
  }
}

async function receiveEvents(
  events: Queue,
  signal: AbortSignal,
): Promise<readonly { event: RunEvent; receipt: string }[]> {
  const messages = await events.receive({ max: EVENT_BATCH, waitMilliseconds: TICK_MILLISECONDS, signal });
  return messages.map(({ body, receipt }) => ({ event: eventSchema.parse(JSON.parse(body)), receipt }));
}
