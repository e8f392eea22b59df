import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A draft that is older was left by a process that ended while it wrote. */
const ABANDONED_MILLISECONDS = 3_600_000;

interface Content {
  readonly path: string;
  readonly bytes: number;
  readonly usedAt: number;
}

/** A folder of contents named by their hash. */
export interface ContentFolder {
  readonly folder: string;
  readonly maxBytes: number;
}

/** A content of that name, which is used now; `undefined` where there is none. */
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

/** Keeps a content that can be made again, where there is room; it is seen whole or not at all. */
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
    // Work goes on without it; a full disk is told of where there is no doing without.
    await rm(draft, { force: true });
  }
}

export async function discardContent({ folder }: ContentFolder, name: string): Promise<void> {
  await rm(join(folder, name), { force: true });
}

/** Marks a content as used now. */
export async function touchContent(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/**
 * Makes room in a folder of contents named by their hash: those that were used longest ago are removed until the rest,
 * with `wanted` more bytes, has at most `maxBytes`. Links to a removed content keep it for whoever works with it.
 *
 * @param keep names of contents that stay whatever they take
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
    // Drafts have a name of their own behind the hash.
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
