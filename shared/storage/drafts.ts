import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  currentProcess,
  mayBeAlive,
  type ProcessIdentity,
  processIdentitySchema,
} from "./process-identity.js";

/** A new file's path in the folder of drafts; the name tells whose it is even if it was never written. */
export function newDraftPath(drafts: string): string {
  const owner = Buffer.from(JSON.stringify(currentProcess())).toString("base64url");
  return join(drafts, `${owner}.${randomUUID()}`);
}

/** Removes what killed processes have left. */
export async function removeDraftsOfTheDead(drafts: string): Promise<void> {
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
