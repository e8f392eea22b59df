import { randomUUID } from "node:crypto";
import * as z from "zod";
import { PreconditionFailedError } from "../../storage/errors.js";
import type { ObjectStore, PutCondition } from "../../storage/object-store.js";
import {
  type FinishJob,
  type FinishReported,
  finishReportedSchema,
  type TrialJob,
  type TrialReported,
  trialReportedSchema,
} from "../protocol/messages.js";
import { finishClaimKey, trialClaimKey } from "../protocol/record-keys.js";
import { parseRecord } from "./parse-record.js";

const claimSchema = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("working"), nonce: z.uuid(), until: z.int() }),
  z.strictObject({
    state: z.literal("answered"),
    nonce: z.uuid(),
    report: z.discriminatedUnion("type", [trialReportedSchema, finishReportedSchema]),
  }),
]);
type Claim = z.infer<typeof claimSchema>;

/** Jobs that are worth a claim, and what they are answered with. */
export type ClaimedJob = TrialJob | FinishJob;
export type ClaimedReport = TrialReported | FinishReported;

export type ClaimOutcome =
  /** The job is this worker's until the lease ends. */
  | { readonly state: "granted"; readonly lease: Lease }
  /** Another worker has it; its lease ends then unless it extends it. */
  | { readonly state: "taken"; readonly until: number }
  /** It was worked on to its end, but the report may have been lost: send it again. */
  | { readonly state: "answered"; readonly report: ClaimedReport };

export interface Lease {
  /** @returns whether the job is still this worker's; if not, the work is not wanted any more */
  extend(until: number): Promise<boolean>;
  /**
   * Leaves the report for whoever is handed the job again; do it before the report is sent.
   *
   * @returns whether the job is still this worker's; if not, another one is at it, and this report must not be
   * sent: as a failure it would have the job done a third time
   */
  answer(report: ClaimedReport): Promise<boolean>;
}

/**
 * Claims a job for a worker, as a queue may hand a message out twice and a coordinator that crashed sends a job
 * twice. The lease must be extended together with the message's visibility. A worker that dies lets both end;
 * the next one to be handed the message then takes the claim over by compare-and-swap, so of two of them one
 * gets it.
 */
export async function claimJob(
  store: ObjectStore,
  job: ClaimedJob,
  now: number,
  until: number,
): Promise<ClaimOutcome> {
  const key = keyOf(job);
  const nonce = randomUUID();
  const own: Claim = { state: "working", nonce, until };
  // Nearly every job is claimed once: to write first and read where that is refused saves a round trip.
  const created = await replaceClaim(store, key, own, { ifNoneMatch: true });
  if (created !== undefined) return grant(store, key, nonce, created);
  for (;;) {
    const present = await readClaim(store, key);
    if (present?.claim.nonce === nonce) return grant(store, key, nonce, present.etag);
    if (present?.claim.state === "answered") return { state: "answered", report: present.claim.report };
    if (present !== undefined && present.claim.until > now)
      return { state: "taken", until: present.claim.until };
    const condition = present === undefined ? { ifNoneMatch: true as const } : { ifMatch: present.etag };
    const etag = await replaceClaim(store, key, own, condition);
    if (etag !== undefined) return grant(store, key, nonce, etag);
  }
}

function keyOf(job: ClaimedJob): string {
  const { runId, attempt } = job;
  return job.type === "finish"
    ? finishClaimKey(runId, attempt)
    : trialClaimKey(runId, job.trial, job.shard, attempt);
}

function grant(store: ObjectStore, key: string, nonce: string, granted: string): ClaimOutcome {
  let etag = granted;
  const replace = async (claim: Claim): Promise<boolean> => {
    for (;;) {
      const replaced = await replaceClaim(store, key, claim, { ifMatch: etag });
      if (replaced !== undefined) {
        etag = replaced;
        return true;
      }
      // The own write may have been carried out and its answer lost: then the claim is another, but still ours.
      const present = await readClaim(store, key);
      if (present === undefined || present.claim.nonce !== nonce) return false;
      etag = present.etag;
    }
  };
  const lease: Lease = {
    extend: (until) => replace({ state: "working", nonce, until }),
    answer: (report) => replace({ state: "answered", nonce, report }),
  };
  return { state: "granted", lease };
}

async function readClaim(
  store: ObjectStore,
  key: string,
): Promise<{ claim: Claim; etag: string } | undefined> {
  const stored = await store.get(key);
  if (stored === undefined) return undefined;
  return {
    claim: parseRecord(key, claimSchema, stored.body),
    etag: stored.etag,
  };
}

/** @returns the new etag; `undefined` if the claim is not what it was taken for */
async function replaceClaim(
  store: ObjectStore,
  key: string,
  claim: Claim,
  condition: PutCondition,
): Promise<string | undefined> {
  try {
    return await store.put(key, toBytes(claim), condition);
  } catch (error) {
    if (error instanceof PreconditionFailedError) return undefined;
    throw error;
  }
}

function toBytes(claim: Claim): Uint8Array {
  return Buffer.from(JSON.stringify(claim));
}
