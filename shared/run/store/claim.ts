import { randomUUID } from "node:crypto";
import * as z from "zod";
import { safeguard } from "../../basics/safeguard.js";
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

/** Types of the jobs that workers claim (reserve by a stored object), and of their reports. */
export type ClaimedJob = TrialJob | FinishJob;
export type ClaimedReport = TrialReported | FinishReported;

export type ClaimOutcome =
  /** The worker holds the job until the lease ends. */
  | { readonly state: "granted"; readonly lease: Lease }
  /** Another worker holds the job until `until`, or longer if it extends its lease. */
  | { readonly state: "taken"; readonly until: number }
  /** The job was completed, but its report may have been lost: send it again. */
  | { readonly state: "answered"; readonly report: ClaimedReport };

export interface Lease {
  /**
   * Extends the lease until a time in milliseconds since the epoch.
   *
   * @returns whether this worker still holds the job; if not, it should stop working
   */
  extend(until: number): Promise<boolean>;
  /**
   * Stores the report in the claim (the stored object that reserves the job), for a worker that receives the
   * job again; call it before sending the report.
   *
   * @returns whether this worker still holds the job; if not, another worker has it and this report must not
   * be sent: as a failure it would cause a further attempt
   */
  answer(report: ClaimedReport): Promise<boolean>;
}

/**
 * Claims a job for a worker by a stored object, because a queue may deliver a message twice and a restarted
 * coordinator may send a job twice. The lease must be extended together with the message's visibility. When a
 * worker dies, both end, and the next worker that receives the message takes over the claim by
 * compare-and-swap, which exactly one of several workers wins.
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
  // Nearly every job is claimed once: writing first and reading only after a conflict saves a round trip.
  const created = await replaceClaim(store, key, own, { ifNoneMatch: true });
  if (created !== undefined) return grant(store, key, nonce, created);
  for (;;) {
    const present = await readClaim(store, key);
    if (present?.claim.nonce === nonce) return grant(store, key, nonce, present.etag);
    if (present?.claim.state === "answered") return { state: "answered", report: present.claim.report };
    if (present !== undefined && present.claim.until > now && safeguard("claims"))
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
      // This worker's write may have succeeded while its answer was lost: the etag changed, but the claim is
      // still its own.
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

/**
 * Writes a claim under a condition.
 *
 * @returns the new etag; `undefined` if the claim no longer matches the condition
 */
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
