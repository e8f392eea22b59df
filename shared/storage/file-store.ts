import { link, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { newDraftPath, removeAbandonedDrafts } from "./drafts.js";
import { assertKey, PreconditionFailedError } from "./errors.js";
import { contentEtag } from "./etag.js";
import { acquireFileLock, type FileLock, removeStaleLocks } from "./file-lock.js";
import { makeFolder } from "./make-folder.js";
import type { ByteRange, ObjectStore, PutCondition, StoredObject } from "./object-store.js";
import { writing } from "./write-error.js";

/**
 * Internal folders of the store, beside its objects; they cannot clash with keys, whose parts never begin
 * with a dot.
 */
const DRAFTS = ".drafts";
const LOCKS = ".locks";

/**
 * An object store in a folder: each object is a file with the key as its name.
 *
 * A write goes to a draft file, is flushed to disk and then renamed into place (or hard-linked, if the object
 * must not exist yet). A killed process leaves at most a draft, which the next `open` of the folder removes.
 * Compare-and-swap uses a lock per key, because files have no atomic operation for it; the lock of a dead
 * process is taken over.
 */
export class FileObjectStore implements ObjectStore {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(path: string): Promise<FileObjectStore> {
    const folder = resolve(path);
    await writing(folder, async () => {
      await makeFolder(join(folder, DRAFTS));
      await makeFolder(join(folder, LOCKS));
      await removeAbandonedDrafts(join(folder, DRAFTS));
      await removeStaleLocks(join(folder, LOCKS), join(folder, DRAFTS));
    });
    return new FileObjectStore(folder);
  }

  /**
   * Takes an exclusive lock on the folder between cooperating processes; reads and writes of objects do not
   * require it.
   */
  lock(name: string): Promise<FileLock> {
    const drafts = join(this.#folder, DRAFTS);
    const path = join(this.#folder, LOCKS, name);
    return writing(path, () => acquireFileLock(path, { wait: false, drafts }));
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    assertKey(key);
    const body = await readIfPresent(this.#path(key));
    if (body === undefined) return undefined;
    return {
      body: range === undefined ? body : body.subarray(range.start, range.end),
      etag: contentEtag(body),
    };
  }

  async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    assertKey(key);
    const path = this.#path(key);
    await writing(path, async () => {
      const draft = await this.#writeDraft(body);
      try {
        await inFolder(dirname(path), () => this.#place(draft, path, key, condition));
      } catch (error) {
        await unlinkIfPresent(draft);
        throw error;
      }
      // For a replaced object no flush of the folder is needed: if the rename is lost in a power failure, the
      // old object remains.
      if (condition === undefined || "ifNoneMatch" in condition) await syncFolder(dirname(path));
    });
    return contentEtag(body);
  }

  async *list(prefix: string): AsyncIterable<string> {
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true });
    const keys = entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(this.#folder.length + 1)
          .split(sep)
          .join("/"),
      )
      .filter((key) => key.startsWith(prefix) && !key.startsWith("."));
    yield* keys.sort();
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    const path = this.#path(key);
    await writing(path, () => this.#locked(key, () => unlinkIfPresent(path)));
  }

  async #place(draft: string, path: string, key: string, condition: PutCondition | undefined): Promise<void> {
    if (condition !== undefined && "ifNoneMatch" in condition) await linkNew(draft, path, key);
    else await this.#locked(key, () => moveIfMatching(draft, path, key, condition?.ifMatch));
  }

  #path(key: string): string {
    return join(this.#folder, ...key.split("/"));
  }

  async #writeDraft(body: Uint8Array): Promise<string> {
    const draft = newDraftPath(join(this.#folder, DRAFTS));
    try {
      const file = await open(draft, "wx");
      try {
        await file.writeFile(body);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      // A partial draft would occupy space on a full disk.
      await unlinkIfPresent(draft);
      throw error;
    }
    return draft;
  }

  async #locked(key: string, action: () => Promise<void>): Promise<void> {
    // The lock is named by a hash of the key, because a key may be longer than a file name.
    const path = join(this.#folder, LOCKS, contentEtag(Buffer.from(key)));
    const lock = await acquireFileLock(path, { wait: true, drafts: join(this.#folder, DRAFTS) });
    try {
      await action();
    } finally {
      await lock.release();
    }
  }
}

/** Runs the action, and again after creating the folder if it was missing, which is rare. */
async function inFolder(folder: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    await makeFolder(folder);
    await action();
  }
}

async function linkNew(draft: string, path: string, key: string): Promise<void> {
  try {
    await link(draft, path);
    await unlink(draft);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new PreconditionFailedError(key, { cause: error });
    throw error;
  }
}

async function moveIfMatching(
  draft: string,
  path: string,
  key: string,
  etag: string | undefined,
): Promise<void> {
  if (etag !== undefined) {
    const present = await readIfPresent(path);
    if (present === undefined || contentEtag(present) !== etag) throw new PreconditionFailedError(key);
  }
  await rename(draft, path);
}

async function readIfPresent(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function unlinkIfPresent(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Flushes a folder: otherwise a power failure can lose the name of a file whose content is on disk. */
async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open folders; NTFS journals names.
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
