import { createHash } from "node:crypto";
import type { Shard } from "../../basics/identifiers.js";
import type { PackedRows } from "./rows.js";
import type { TrialOrigin } from "./state.js";

/** Trial records a segment. */
export const SEGMENT_SIZE = 16;

/** Where a run's records lie in the object store (docs/run.md, "What is stored"). */
export const runPrefix = (runId: string): string => `runs/${runId}/`;
export const requestKey = (runId: string): string => `${runPrefix(runId)}request.json`;
export const spaceKey = (runId: string): string => `${runPrefix(runId)}space.json`;
export const stateKey = (runId: string): string => `${runPrefix(runId)}state.json`;

/** Trials that any number of runs begin with, by the hash of their record. */
export const restoredKey = (sha256: string): string => `restored/${sha256}.json`;

export function segmentKey(runId: string, segment: number): string {
  return `${runPrefix(runId)}trials/${String(segment).padStart(6, "0")}.json`;
}

/** What running trials with the numbers of a segment were asked with. */
export function askedKey(runId: string, segment: number): string {
  return `${runPrefix(runId)}asked/${String(segment).padStart(6, "0")}.json`;
}

/**
 * The name of a shard's rows: their hash, so that two answers to one job that differ (the race may look at a
 * latency) never share a key, and the same answer written twice does.
 */
export function scoresName(rows: PackedRows): string {
  const { encoding, width, data } = rows;
  return createHash("sha256").update(`${encoding} ${rows.rows} ${width} ${data}`).digest("hex").slice(0, 12);
}

export function scoresKey(runId: string, trial: number, shard: number, name: string): string {
  return `${runPrefix(runId)}scores/${trial}/${shard}-${name}.json`;
}

/** Where the rows of a trial's shard lie: with the run that scored it. */
export function rowsKey(
  runId: string,
  { number, origin }: { readonly number: number; readonly origin?: TrialOrigin },
  shard: number,
  name: string,
): string {
  return scoresKey(origin?.run ?? runId, origin?.trial ?? number, shard, name);
}

export function claimsPrefix(runId: string): string {
  return `${runPrefix(runId)}claims/`;
}

export function finishClaimKey(runId: string, attempt: number): string {
  return `${claimsPrefix(runId)}finish/${attempt}.json`;
}

export function trialClaimKey(runId: string, trial: number, shard: Shard, attempt: number): string {
  return `${claimsPrefix(runId)}${trial}/${shard.index}-${attempt}.json`;
}
