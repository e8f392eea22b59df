import { setTimeout as sleep } from "node:timers/promises";
import { RunError } from "../../../shared/basics/errors.js";
import { StoreUnavailableError } from "../../../shared/storage/errors.js";
import type { Fleet } from "../deployment/fleet.js";
import { unknownRun } from "./earlier-run.js";
import type { FollowedRun } from "./followed-run.js";
import { openRun, type ReadOptions } from "./open-run.js";
import { type RunView, viewRun } from "./run-view.js";

/** A fleet that is idle takes some seconds to hear of a run that it was asked for, and one that is throttled some minutes. */
const PATIENCE_SECONDS = 600;
/** So long the bucket may not answer. */
const OUTAGE_SECONDS = 60;

/** A look comes after this share of the time that a run has been followed: a short run's end is not slept through. */
const INTERVAL_SHARE = 0.05;
const SHORTEST_INTERVAL_SECONDS = 0.2;
const LONGEST_INTERVAL_SECONDS = 2;

const LATEST_TRIALS = 8;

export interface FollowOptions extends ReadOptions {
  /**
   * Seconds from one look to the next; when left out a twentieth of the time that the run has been followed for, 0.2 at
   * least and 2 at most. A look costs a read or two of the bucket.
   */
  readonly intervalSeconds?: number;
  /** Seconds to wait for the fleet to hear of a run; when left out 600, and none where nobody has asked for it. */
  readonly patienceSeconds?: number;
  /** Trials in a view's `latest`, 8 when left out. */
  readonly latest?: number;
  /** Ends the following; the run goes on. */
  readonly signal?: AbortSignal;
}

/**
 * How far a run of the fleet has come and what its trials came to, again and again until it has ended: the last view's
 * phase is `done` or `failed`. Whoever stops iterating, or aborts, leaves the run alone.
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

/** As `follow`. */
export async function* followRun(
  run: FollowedRun,
  runId: string,
  options: Omit<FollowOptions, keyof ReadOptions>,
): AsyncGenerator<RunView, void, undefined> {
  const { latest = LATEST_TRIALS } = options;
  const look = async (): Promise<RunView | undefined> => {
    const seen = await run.look();
    return seen && viewRun(seen.study, seen.state, Date.now(), latest);
  };
  yield* lookUntilEnded({ runId, look, isAskedFor: () => run.isAskedFor }, options);
}

/** A run as it is seen from outside. */
export interface Looks {
  readonly runId: string;
  /** Gives `undefined` as long as the fleet has not heard of it. */
  readonly look: () => Promise<RunView | undefined>;
  /** Whether somebody is known to have asked for it. */
  readonly isAskedFor: () => boolean;
}

/** @throws {QuantfleetError} when there is none for too long, or none any more, or the bucket does not answer for long */
export async function* lookUntilEnded(
  { runId, look, isAskedFor }: Looks,
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
  // Who asks for a run writes down first what it works on.
  const patience = (): number => patienceSeconds ?? (isAskedFor() ? PATIENCE_SECONDS : 0);
  for (;;) {
    signal?.throwIfAborted();
    try {
      const view = await look();
      answeredAt = performance.now();
      if (view === undefined && isKnown) throw unknownRun(runId);
      if (view === undefined && followedSeconds() >= patience())
        throw isAskedFor() ? unheardRun(runId, followedSeconds()) : unknownRun(runId);
      if (view !== undefined) {
        isKnown = true;
        yield view;
        const { phase } = view.progress;
        if (phase === "done" || phase === "failed") return;
      }
    } catch (error) {
      // The run goes on meanwhile, and whoever follows it for hours should not lose it for a call.
      const isOutage = error instanceof StoreUnavailableError;
      if (!isOutage || performance.now() - answeredAt >= 1_000 * OUTAGE_SECONDS) throw error;
    }
    const seconds = intervalSeconds ?? nextInterval(followedSeconds());
    await sleep(1_000 * seconds, undefined, signal === undefined ? {} : { signal });
  }
}

function unheardRun(runId: string, seconds: number): RunError {
  return new RunError(
    `Run ${runId} was asked for, and for ${Math.round(seconds)} s the fleet has not taken it up; see its coordinator's log, and follow the run by watch.`,
  );
}

/** @param followedSeconds how long the run has been followed for */
export function nextInterval(followedSeconds: number): number {
  const wanted = INTERVAL_SHARE * followedSeconds;
  return Math.min(Math.max(wanted, SHORTEST_INTERVAL_SECONDS), LONGEST_INTERVAL_SECONDS);
}
