import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and those above it that are missing; one that is there is left as it is.
 *
 * Node's `recursive` makes the parent of whatever is missing (ENOENT) and tries again, without end where the parent is
 * there and the folder cannot be made all the same, as in `/proc`. Here each folder is tried twice at most.
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let folder = resolve(path); !(await makeOne(folder)); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) await mkdir(folder).catch((error) => unlessFolder(folder, error));
}

/** @returns whether the folder is there now; if not, the one above it is missing */
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

/** Another process may have made it, and what is there can be refused for other reasons than that. */
async function unlessFolder(folder: string, error: unknown): Promise<void> {
  const present = await stat(folder).catch(() => undefined);
  if (present?.isDirectory() !== true) throw error;
}
