import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../basics/errors.js";

/**
 * Runs `use` with a temporary folder, and removes the folder afterwards.
 *
 * @throws {UsageError} if the system's temporary folder cannot be written to
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
