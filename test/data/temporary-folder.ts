import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** A folder for a test file's data, removed after its tests. */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), "quantfleet-data-"));
  after(() => rm(path, { recursive: true, force: true }));
  return {
    path,
    write: (name: string, content: Uint8Array | string) => writeFile(join(path, name), content),
  };
}
