import { createHash, randomUUID } from "node:crypto";
import { link, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolder } from "../../storage/make-folder.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { writing } from "../../storage/write-error.js";
import { evictContents, touchContent } from "./content-cache.js";
import { DamagedRecordError } from "./damaged-record.js";
import type { WorkloadFile } from "./workload-document.js";

/** Bytes of a file read per request to the store, which bounds the memory for a file of any size. */
const CHUNK_BYTES = 32 * 1_048_576;

/**
 * Folders for a workload's files and for the cache of contents, both on one file system (contents are
 * hard-linked).
 */
export interface WorkloadFolders {
  readonly folder: string;
  readonly cache: string;
  /**
   * Maximum size of the cache in bytes, including this workload's files; the least recently used contents are
   * removed.
   */
  readonly cacheBytes?: number;
}

/**
 * Puts a workload's files into `folder`. Contents are cached by their hash, so that several runs on the same
 * model and data fetch them once.
 *
 * @throws DamagedRecordError if an object is missing or does not have its hash
 */
export async function fetchWorkloadFiles(
  store: ObjectStore,
  files: readonly WorkloadFile[],
  { folder, cache, cacheBytes = Number.POSITIVE_INFINITY }: WorkloadFolders,
): Promise<void> {
  await writing(cache, () => makeFolder(cache));
  const missing: WorkloadFile[] = [];
  for (const file of files) {
    const content = join(cache, file.sha256);
    if (await isPresent(content)) await touchContent(content);
    else missing.push(file);
  }
  const wanted = missing.reduce((sum, { bytes }) => sum + bytes, 0);
  await evictContents(cache, new Set(files.map(({ sha256 }) => sha256)), wanted, cacheBytes);
  for (const file of files) {
    const content = join(cache, file.sha256);
    if (!(await isPresent(content))) await writing(content, () => fetchContent(store, file, content));
    const path = join(folder, file.path);
    await writing(path, () => linkContent(content, path));
  }
}

/**
 * Hard-links a file of the cache to its place in the workload's folder: external data of a model must not be
 * a symbolic link out of the model's folder.
 */
async function linkContent(content: string, path: string): Promise<void> {
  await makeFolder(dirname(path));
  await link(content, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

async function fetchContent(store: ObjectStore, file: WorkloadFile, content: string): Promise<void> {
  // The download goes to a draft and is renamed, so it is atomic even if this process is killed and another
  // one continues.
  const draft = `${content}.${randomUUID()}`;
  try {
    await writeContent(store, file, draft);
    await rename(draft, content);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function writeContent(
  store: ObjectStore,
  { key, bytes, sha256 }: WorkloadFile,
  draft: string,
): Promise<void> {
  const hash = createHash("sha256");
  const handle = await open(draft, "wx");
  try {
    for (let start = 0; start < bytes; start += CHUNK_BYTES) {
      const stored = await store.get(key, { start, end: Math.min(start + CHUNK_BYTES, bytes) });
      if (stored === undefined) throw new DamagedRecordError(key, "is missing");
      hash.update(stored.body);
      await handle.writeFile(stored.body);
    }
  } finally {
    await handle.close();
  }
  if (hash.digest("hex") !== sha256) throw new DamagedRecordError(key, "is not what its hash says");
}

async function isPresent(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
