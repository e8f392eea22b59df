import { createHash } from "node:crypto";
import { type EncodedSpace, encodeSpace } from "../../search/space/encoding.js";
import type { Space } from "../../search/space/space.js";
import type { RunRequest } from "../protocol/request.js";
import type { TrialRecord } from "../protocol/state.js";
import { toRecordDocument } from "./state-document.js";

/**
 * Reference to an earlier run's trials that a run begins with: their number, and the hash of the record that
 * holds them.
 */
export type RestoredReference = NonNullable<RunRequest["restored"]>;

/** A record of an earlier run's trials, with the reference by which any number of requests can name it. */
export interface RestoredRecord {
  readonly reference: RestoredReference;
  readonly body: Uint8Array;
}

/**
 * Makes the record of an earlier run's trials, for new runs that begin with them.
 *
 * @param space of the runs that begin with them, which encodes their configurations
 */
export function writeRestoredRecord(space: Space, trials: readonly TrialRecord[]): RestoredRecord {
  const body = packTrials(encodeSpace(space), trials);
  return { reference: { trials: trials.length, sha256: hashOf(body) }, body };
}

/** Whether a stored record has the hash of the reference. */
export function isRestoredRecord(body: Uint8Array, { sha256 }: RestoredReference): boolean {
  return hashOf(body) === sha256;
}

/** Encodes a segment (a group of trial records) as it is stored. */
export function packTrials(space: EncodedSpace, trials: readonly TrialRecord[]): Uint8Array {
  const document = { version: 1, trials: trials.map((trial) => toRecordDocument(space, trial)) };
  return Buffer.from(JSON.stringify(document));
}

function hashOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}
