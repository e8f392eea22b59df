import { setTimeout as sleep } from "node:timers/promises";
import { unknownRun } from "./earlier-run.js";
import type { FollowedRun } from "./followed-run.js";
import { type RunView, viewRun } from "./run-view.js";
import { openRun, type ReadOptions } from "./runs.js";
import type { Fleet } from "./submit.js";

/** A fleet that is idle takes some seconds to hear of a run. */
const PATIENCE_SECONDS = 60;

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
  /** Seconds to wait for the fleet to hear of a run that was just submitted, 60 when left out. */
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
  yield* lookUntilEnded(runId, look, options);
}

/**
 * @param look gives `undefined` as long as there is no such run
 * @throws {QuantfleetError} when there is none for too long, or none any more
 */
export async function* lookUntilEnded(
  runId: string,
  look: () => Promise<RunView | undefined>,
  {
    intervalSeconds,
    patienceSeconds = PATIENCE_SECONDS,
    signal,
  }: Pick<FollowOptions, "intervalSeconds" | "patienceSeconds" | "signal">,
): AsyncGenerator<RunView, void, undefined> {
  let isKnown = false;
  const start = performance.now();
  const patientUntil = Date.now() + 1_000 * patienceSeconds;
  for (;;) {
    signal?.throwIfAborted();
    const view = await look();
    if (view === undefined && (isKnown || Date.now() >= patientUntil)) throw unknownRun(runId);
    if (view !== undefined) {
      isKnown = true;
      yield view;
      const { phase } = view.progress;
      if (phase === "done" || phase === "failed") return;
    }
    const seconds = intervalSeconds ?? nextInterval((performance.now() - start) / 1_000);
    await sleep(1_000 * seconds, undefined, signal === undefined ? {} : { signal });
  }
}

/** @param followedSeconds how long the run has been followed for */
export function nextInterval(followedSeconds: number): number {
  const wanted = INTERVAL_SHARE * followedSeconds;
  return Math.min(Math.max(wanted, SHORTEST_INTERVAL_SECONDS), LONGEST_INTERVAL_SECONDS);
}
