import * as z from "zod";
import { PreconditionFailedError } from "../storage/errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type TrialJob, type TrialReported, trialReportedSchema } from "./messages.js";
import { claimKey } from "./record-keys.js";

const claimSchema = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("working"), worker: z.string(), until: z.int() }),
  z.strictObject({ state: z.literal("answered"), report: trialReportedSchema }),
]);
type Claim = z.infer<typeof claimSchema>;

export type ClaimOutcome =
  /** The job is this worker's until the lease ends. */
  | { readonly state: "granted"; readonly lease: Lease }
  /** Another worker has it; its lease ends then unless it extends it. */
  | { readonly state: "taken"; readonly until: number }
  /** It was worked on to its end, but the report may have been lost: send it again. */
  | { readonly state: "answered"; readonly report: TrialReported };

export interface Lease {
  /** @returns whether the job is still this worker's */
  extend(until: number): Promise<boolean>;
  /** Leaves the report for whoever is handed the job again. */
  answer(report: TrialReported): Promise<void>;
}

/**
 * Claims a job for a worker, as a queue may hand a message out twice and a coordinator that crashed sends a job
 * twice. The lease must be extended together with the message's visibility. A worker that dies lets both end;
 * the next one to be handed the message then takes the claim over by compare-and-swap, so of two of them one
 * gets it.
 */
export async function claimJob(
  store: ObjectStore,
  job: TrialJob,
  worker: string,
  now: number,
  until: number,
): Promise<ClaimOutcome> {
  const key = claimKey(job.runId, job.trial, job.shard, job.attempt);
  const mine: Claim = { state: "working", worker, until };
  for (;;) {
    const stored = await store.get(key);
    if (stored !== undefined) {
      const claim = claimSchema.parse(JSON.parse(Buffer.from(stored.body).toString("utf8")));
      if (claim.state === "answered") return claim;
      if (claim.until > now) return { state: "taken", until: claim.until };
    }
    try {
      const condition = stored === undefined ? { ifNoneMatch: true as const } : { ifMatch: stored.etag };
      const etag = await store.put(key, toBytes(mine), condition);
      return { state: "granted", lease: createLease(store, key, worker, etag) };
    } catch (error) {
      // Somebody else was first; see who.
      if (!(error instanceof PreconditionFailedError)) throw error;
    }
  }
}

function createLease(store: ObjectStore, key: string, worker: string, granted: string): Lease {
  let etag = granted;
  const replace = async (claim: Claim): Promise<boolean> => {
    try {
      etag = await store.put(key, toBytes(claim), { ifMatch: etag });
      return true;
    } catch (error) {
      if (error instanceof PreconditionFailedError) return false;
      throw error;
    }
  };
  return {
    extend: (until) => replace({ state: "working", worker, until }),
    answer: async (report) => {
      await replace({ state: "answered", report });
    },
  };
}

function toBytes(claim: Claim): Uint8Array {
  return Buffer.from(JSON.stringify(claim));
}
