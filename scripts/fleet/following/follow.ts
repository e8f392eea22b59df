import { setTimeout as sleep } from "node:timers/promises";
import { RunError } from "../../../shared/basics/errors.js";
import { StoreUnavailableError } from "../../../shared/storage/errors.js";
import type { Fleet } from "../deployment/fleet.js";
import { unknownRun } from "./earlier-run.js";
import type { FollowedRun } from "./followed-run.js";
import { openRun, type ReadOptions } from "./open-run.js";
import { type RunView, viewRun } from "./run-view.js";

/** Longest wait until the fleet takes up a requested run: seconds on an idle fleet, some minutes on a throttled one. */
const PATIENCE_SECONDS = 600;
/** Longest tolerated time without an answer from the bucket. */
const OUTAGE_SECONDS = 60;

/** Interval between reads of a run as a share of the time followed so far, so that short runs are followed closely. */
const INTERVAL_SHARE = 0.05;
const SHORTEST_INTERVAL_SECONDS = 0.2;
const LONGEST_INTERVAL_SECONDS = 2;

const LATEST_TRIALS = 8;

export interface FollowOptions extends ReadOptions {
  /**
   * Seconds between reads of the run; when omitted, a twentieth of the time followed so far, at least 0.2 and at
   * most 2. A read costs one or two GET requests.
   */
  readonly intervalSeconds?: number;
  /**
   * Seconds to wait until the fleet takes up the run; when omitted, 600 if the run was requested, otherwise
   * 0.
   */
  readonly patienceSeconds?: number;
  /** Largest number of trials in a view's `latest`; 8 when omitted. */
  readonly latest?: number;
  /** Stops following; the run continues. */
  readonly signal?: AbortSignal;
}

/**
 * Yields the progress and latest trials of a run of the fleet until it has ended; the last view has phase
 * `done` or `failed`. The run continues when the caller stops iterating or aborts.
 *
 * @throws {QuantfleetError} when there is no such run
 */
export function follow(
  { store }: Pick<Fleet, "store">,
  runId: string,
  options: FollowOptions = {},
): AsyncGenerator<RunView, void, undefined> {
  return followRun(openRun(store, runId, options.metricModule), runId, options);
}

/** Like `follow`, for a run that is already open. */
export async function* followRun(
  run: FollowedRun,
  runId: string,
  options: Omit<FollowOptions, keyof ReadOptions>,
): AsyncGenerator<RunView, void, undefined> {
  const { latest = LATEST_TRIALS } = options;
  const read = async (): Promise<RunView | undefined> => {
    const seen = await run.read();
    return seen && viewRun(seen.study, seen.state, Date.now(), latest);
  };
  yield* pollUntilEnded({ runId, read, isRequested: () => run.isRequested }, options);
}

/** A run that is polled until it has ended, and how to read it. */
export interface PolledRun {
  readonly runId: string;
  /** The run's view; `undefined` until the fleet has taken the run up. */
  readonly read: () => Promise<RunView | undefined>;
  /** Whether the run is known to have been requested. */
  readonly isRequested: () => boolean;
}

/**
 * Polls a run until it has ended.
 * @throws {QuantfleetError} when the run does not appear in time or disappears, or the bucket does not answer
 * for too long
 */
export async function* pollUntilEnded(
  { runId, read, isRequested }: PolledRun,
  {
    intervalSeconds,
    patienceSeconds,
    signal,
  }: Pick<FollowOptions, "intervalSeconds" | "patienceSeconds" | "signal">,
): AsyncGenerator<RunView, void, undefined> {
  let isKnown = false;
  let answeredAt = performance.now();
  const start = answeredAt;
  const followedSeconds = (): number => (performance.now() - start) / 1_000;
  // The document of the workload is written before a run is requested, so its presence shows a request.
  const patience = (): number => patienceSeconds ?? (isRequested() ? PATIENCE_SECONDS : 0);
  for (;;) {
    signal?.throwIfAborted();
    try {
      const view = await read();
      answeredAt = performance.now();
      if (view === undefined && isKnown) throw unknownRun(runId);
      if (view === undefined && followedSeconds() >= patience())
        throw isRequested() ? neverStarted(runId, followedSeconds()) : unknownRun(runId);
      if (view !== undefined) {
        isKnown = true;
        yield view;
        const { phase } = view.progress;
        if (phase === "done" || phase === "failed") return;
      }
    } catch (error) {
      // Short outages of the bucket are tolerated, as the run continues meanwhile.
      const isOutage = error instanceof StoreUnavailableError;
      if (!isOutage || performance.now() - answeredAt >= 1_000 * OUTAGE_SECONDS) throw error;
    }
    const seconds = intervalSeconds ?? nextInterval(followedSeconds());
    await sleep(1_000 * seconds, undefined, signal === undefined ? {} : { signal });
  }
}

function neverStarted(runId: string, seconds: number): RunError {
  return new RunError(
    `Run ${runId} was requested, but the fleet has not taken it up within ${Math.round(seconds)} s; see its coordinator's log, and follow the run by watch.`,
  );
}

/**
 * Seconds to wait before the next read of a run.
 *
 * @param followedSeconds time that the run has been followed so far
 */
export function nextInterval(followedSeconds: number): number {
  const wanted = INTERVAL_SHARE * followedSeconds;
  return Math.min(Math.max(wanted, SHORTEST_INTERVAL_SECONDS), LONGEST_INTERVAL_SECONDS);
}
