import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * Creates a folder and its missing parents; an existing folder is left as it is.
 *
 * Node's `recursive` option creates the parent of a missing folder (ENOENT) and retries forever if the parent
 * exists and the folder still cannot be created, as in `/proc`. Here each folder is tried at most twice.
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await makeOne(folder)); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) await mkdir(folder).catch((error) => unlessFolder(folder, error));
}

/**
 * Creates one folder.
 *
 * @returns whether the folder exists now; if not, its parent is missing
 */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" && dirname(folder) !== folder) return false;
    await unlessFolder(folder, error);
    return true;
  }
}

/**
 * Rethrows the error unless the folder exists: another process may have created it, and creating an existing
 * folder may fail with various errors.
 */
async function unlessFolder(folder: string, error: unknown): Promise<void> {
  const present = await stat(folder).catch(() => undefined);
  if (present?.isDirectory() !== true) throw error;
}
