import { constants } from "node:fs";
import { access, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RunError, UsageError } from "../../shared/errors.js";

/** The files that a run leaves for its user (interface.md, "Output folder"). */
export const OUTPUT_FILES = {
  model: "model.onnx",
  externalData: "model.onnx.data",
  configuration: "configuration.json",
  result: "result.json",
  trials: "trials.jsonl",
  run: "run",
} as const;

/**
 * Checks that files can be written into a folder, which need not exist yet, and writes nothing.
 *
 * @param remedy how to name another folder
 * @throws {UsageError}
 */
export async function requireWritable(wanted: string, remedy = "give another by --out"): Promise<void> {
  const refuse = (problem: string) => (cause: NodeJS.ErrnoException) => {
    throw new UsageError(`${wanted} ${problem} (${cause.code}); ${remedy}.`, { cause });
  };
  let folder = wanted;
  while (!(await exists(folder).catch(refuse("cannot be a folder"))) && folder !== dirname(folder)) {
    folder = dirname(folder);
  }
  if (!(await stat(folder)).isDirectory()) {
    throw new UsageError(`${folder} is a file, but a folder is needed; ${remedy}.`);
  }
  await access(folder, constants.W_OK).catch(refuse("cannot be written to"));
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/**
 * Writes a file whole or not at all: a draft beside it, flushed, then moved into its place.
 * @throws {RunError} when it cannot be written; no draft is left
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.${process.pid}.draft`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(draft, "w");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw new RunError(
      `${path} cannot be written (${(error as NodeJS.ErrnoException).code}); make room there, or give another folder by --out.`,
      { cause: error },
    );
  }
}

export function runFolder(out: string): string {
  return join(out, OUTPUT_FILES.run);
}
