import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  currentProcess,
  mayBeAlive,
  type ProcessIdentity,
  processIdentitySchema,
} from "./process-identity.js";

/**
 * The path of a new draft (the temporary file of a write). Its name contains the process that writes it, so
 * that the owner is known even before the draft is written.
 */
export function newDraftPath(drafts: string): string {
  const owner = Buffer.from(JSON.stringify(currentProcess())).toString("base64url");
  return join(drafts, `${owner}.${randomUUID()}`);
}

/** Removes the drafts (temporary files of unfinished writes) of processes that no longer exist. */
export async function removeAbandonedDrafts(drafts: string): Promise<void> {
  for (const name of await readdir(drafts)) {
    const owner = parseOwner(name);
    if (owner === undefined || !mayBeAlive(owner)) await rm(join(drafts, name), { force: true });
  }
}

function parseOwner(name: string): ProcessIdentity | undefined {
  try {
    const owner: unknown = JSON.parse(Buffer.from(name.split(".")[0] ?? "", "base64url").toString());
    return processIdentitySchema.safeParse(owner).data;
  } catch {
    return undefined;
  }
}
