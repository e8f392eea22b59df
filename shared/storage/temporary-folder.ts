import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../basics/errors.js";

/**
 * Gives a folder for files that are not needed afterwards, and removes it when it has been used.
 *
 * @throws {UsageError} when the system's folder for temporary files cannot be written to
 */
export async function inTemporaryFolder<T>(purpose: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `quantfleet-${purpose}-`)).catch((cause) => {
    throw new UsageError(
      `The folder for temporary files, ${tmpdir()}, cannot be written to (${cause.code}); make room there, or set TMPDIR to another.`,
      { cause },
    );
  });
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
