import { constants } from "node:fs";
import { access, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UsageError } from "../../shared/errors.js";

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
 * @throws {UsageError}
 */
export async function requireWritable(out: string): Promise<void> {
  for (let folder = out; ; folder = dirname(folder)) {
    const found = await stat(folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw new UsageError(`${out} cannot be the output folder (${cause.code}); give another by --out.`, {
        cause,
      });
    });
    if (found === undefined && folder !== dirname(folder)) continue;
    if (!found?.isDirectory()) {
      throw new UsageError(`${folder} is a file, but the results need a folder; give another by --out.`);
    }
    await access(folder, constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
      throw new UsageError(`${folder} cannot be written to (${cause.code}); give another folder by --out.`, {
        cause,
      });
    });
    return;
  }
}

/** Writes a file whole or not at all: a draft beside it, flushed, then moved into its place. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.draft`;
  const file = await open(draft, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

export function runFolder(out: string): string {
  return join(out, OUTPUT_FILES.run);
}
