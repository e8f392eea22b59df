import { randomUUID } from "node:crypto";
import { link, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { UsageError } from "../basics/errors.js";
import { newDraftPath } from "./drafts.js";
import {
  currentProcess,
  mayBeAlive,
  type ProcessIdentity,
  processIdentitySchema,
} from "./process-identity.js";

const ownerSchema = processIdentitySchema.extend({ nonce: z.uuid() });
type Owner = Readonly<z.infer<typeof ownerSchema>>;

/** Pause between two attempts to take a lock held by a living process. */
const RETRY_MILLISECONDS = 2;

/**
 * Nonces of the locks that this process holds. On platforms without process start times they distinguish its
 * own locks from those of a dead process with the same number.
 */
const held = new Set<string>();

export interface FileLock {
  release(): Promise<void>;
}

export interface FileLockOptions {
  /** Whether to wait for a living owner to release the lock. */
  readonly wait: boolean;
  /** Folder, on the same file system, where the lock file is written before it is linked into place. */
  readonly drafts: string;
}

/** Thrown if the lock is held by a process that may be alive. */
export class LockedError extends Error {
  override readonly name = "LockedError";
  constructor(
    readonly path: string,
    readonly owner: ProcessIdentity,
  ) {
    super(
      `${path} is held by process ${owner.pid} on ${owner.host}; wait for its end, or remove the file if there is no such process.`,
    );
  }
}

/**
 * Takes an exclusive lock between the processes of one machine.
 *
 * A lock is a file that names its owner and is created atomically by a hard link. The lock of a dead process
 * is taken over: a process first locks the removal of that particular lock (by its nonce) and checks the lock
 * again, so that a slow process cannot remove the lock of another one that came in between.
 *
 * @throws LockedError unless `wait`, if a process that may be alive holds the lock
 */
export async function acquireFileLock(path: string, options: FileLockOptions): Promise<FileLock> {
  const owner: Owner = { ...currentProcess(), nonce: randomUUID() };
  const draft = newDraftPath(options.drafts);
  held.add(owner.nonce);
  try {
    try {
      await writeFile(draft, JSON.stringify(owner), { flag: "wx" });
      while (!(await linkUnlessPresent(draft, path))) {
        const present = await readOwner(path);
        if (present === undefined) continue;
        if (!ownerMayBeAlive(present)) await removeStale(path, present, options);
        else if (options.wait) await sleep(RETRY_MILLISECONDS);
        else throw new LockedError(path, present);
      }
    } finally {
      await rm(draft, { force: true });
    }
  } catch (error) {
    held.delete(owner.nonce);
    throw error;
  }
  return {
    release: async () => {
      await unlink(path);
      held.delete(owner.nonce);
    },
  };
}

/**
 * Removes the locks of dead processes from a folder, so that locks of keys no longer in use do not
 * accumulate.
 */
export async function removeStaleLocks(folder: string, drafts: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const owner = await readOwner(path);
    if (owner === undefined || ownerMayBeAlive(owner)) continue;
    const lock = await acquireFileLock(path, { wait: true, drafts });
    await lock.release();
  }
}

async function removeStale(path: string, stale: Owner, { drafts }: FileLockOptions): Promise<void> {
  const removal = await acquireFileLock(`${path}.removal-of-${stale.nonce}`, { wait: true, drafts });
  try {
    if ((await readOwner(path))?.nonce === stale.nonce) await unlink(path);
  } finally {
    await removal.release();
  }
}

function ownerMayBeAlive(owner: Owner): boolean {
  if (owner.pid === process.pid && owner.started === undefined) return held.has(owner.nonce);
  return mayBeAlive(owner);
}

async function linkUnlessPresent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch (cause) {
    // Locks are created atomically, so this file was damaged later.
    throw new UsageError(
      `${path} does not say which process holds it; remove the file if no process uses its folder.`,
      { cause },
    );
  }
}
