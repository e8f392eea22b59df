import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/** A draft that is older was left by a process that ended while it wrote. */
const ABANDONED_MILLISECONDS = 3_600_000;

interface Content {
  readonly path: string;
  readonly bytes: number;
  readonly usedAt: number;
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
