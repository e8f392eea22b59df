import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Age in milliseconds after which a draft (a file that is being written) is known to be left by a process
 * that ended.
 */
const ABANDONED_MILLISECONDS = 3_600_000;

interface Content {
  readonly path: string;
  readonly bytes: number;
  readonly usedAt: number;
}

/** A cache folder of files named by the hash of their content, with its maximum total size. */
export interface ContentFolder {
  readonly folder: string;
  readonly maxBytes: number;
}

/** Reads the content of that name (hash), and marks it as just used; `undefined` if there is none. */
export async function readContent({ folder }: ContentFolder, name: string): Promise<Buffer | undefined> {
  const path = join(folder, name);
  try {
    const bytes = await readFile(path);
    await touchContent(path);
    return bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Caches a content that can be recreated, if it is not larger than the cache. The write is atomic, and
 * failures are ignored.
 */
export async function writeContent(
  { folder, maxBytes }: ContentFolder,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  if (bytes.byteLength > maxBytes) return;
  const draft = join(folder, `${name}.${randomUUID()}`);
  try {
    await evictContents(folder, new Set(), bytes.byteLength, maxBytes);
    await writeFile(draft, bytes);
    await rename(draft, join(folder, name));
  } catch {
    // The cache is optional; a full disk is reported where a write is required.
    await rm(draft, { force: true });
  }
}

export async function discardContent({ folder }: ContentFolder, name: string): Promise<void> {
  await rm(join(folder, name), { force: true });
}

/** Marks a file of the cache as just used, by its modification time. */
export async function touchContent(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/**
 * Removes the least recently used contents of a folder until the rest plus `wanted` bytes has at most
 * `maxBytes`. A hard link to a removed content keeps its data.
 *
 * @param keep names of contents that are never removed
 */
export async function evictContents(
  folder: string,
  keep: ReadonlySet<string>,
  wanted: number,
  maxBytes: number,
): Promise<void> {
  const removable: Content[] = [];
  let bytes = wanted;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const { size, mtimeMs } = await stat(path);
    // Names of drafts have a suffix after the hash.
    if (name.includes(".") && Date.now() - mtimeMs > ABANDONED_MILLISECONDS) await rm(path, { force: true });
    else {
      bytes += size;
      if (!name.includes(".") && !keep.has(name)) removable.push({ path, bytes: size, usedAt: mtimeMs });
    }
  }
  removable.sort((a, b) => a.usedAt - b.usedAt);
  for (const content of removable) {
    if (bytes <= maxBytes) return;
    await rm(content.path, { force: true });
    bytes -= content.bytes;
  }
}
