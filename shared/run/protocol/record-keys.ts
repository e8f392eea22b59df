import { createHash } from "node:crypto";
import type { Shard } from "../../basics/identifiers.js";
import type { PackedRows } from "./rows.js";
import type { TrialOrigin } from "./state.js";

/** Number of trials per segment (a stored group of trial records). */
export const SEGMENT_SIZE = 16;

/** Prefix of all keys of a run in the object store. */
export const runPrefix = (runId: string): string => `runs/${runId}/`;
export const requestKey = (runId: string): string => `${runPrefix(runId)}request.json`;
export const spaceKey = (runId: string): string => `${runPrefix(runId)}space.json`;
export const stateKey = (runId: string): string => `${runPrefix(runId)}state.json`;

/**
 * Store key of an earlier run's trials that runs begin with, named by the hash of their record so that
 * several runs can share it.
 */
export const restoredKey = (sha256: string): string => `restored/${sha256}.json`;

/** Store key of a segment (a group of 16 records) of finished trials. */
export function segmentKey(runId: string, segment: number): string {
  return `${runPrefix(runId)}trials/${String(segment).padStart(6, "0")}.json`;
}

/**
 * Store key of the configurations of running trials whose numbers lie in the segment (a group of 16 trials).
 */
export function runningTrialSegmentKey(runId: string, segment: number): string {
  return `${runPrefix(runId)}asked/${String(segment).padStart(6, "0")}.json`;
}

/**
 * The name of a shard's rows (per-sample scores): the first 12 hexadecimal digits of their hash. Two
 * different answers to one job (early stopping may depend on a latency) never share a key, and the same
 * answer written twice does.
 */
export function scoresName(rows: PackedRows): string {
  const { encoding, width, data } = rows;
  return createHash("sha256").update(`${encoding} ${rows.rows} ${width} ${data}`).digest("hex").slice(0, 12);
}

export function scoresKey(runId: string, trial: number, shard: number, name: string): string {
  return `${runPrefix(runId)}scores/${trial}/${shard}-${name}.json`;
}

/**
 * Store key of the rows (per-sample scores) of a trial's shard, which lie with the run that scored the trial:
 * this one, or the earlier run that a restored trial was taken from.
 */
export function rowsKey(
  runId: string,
  { number, origin }: { readonly number: number; readonly origin?: TrialOrigin },
  shard: number,
  name: string,
): string {
  return scoresKey(origin?.run ?? runId, origin?.trial ?? number, shard, name);
}

/**
 * Prefix of the store keys of the claims on a run's jobs (objects that hold a worker's lease and later its
 * answer).
 */
export function claimsPrefix(runId: string): string {
  return `${runPrefix(runId)}claims/`;
}

export function finishClaimKey(runId: string, attempt: number): string {
  return `${claimsPrefix(runId)}finish/${attempt}.json`;
}

export function trialClaimKey(runId: string, trial: number, shard: Shard, attempt: number): string {
  return `${claimsPrefix(runId)}${trial}/${shard.index}-${attempt}.json`;
}
