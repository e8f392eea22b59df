import { mkdir, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The files that a run leaves for its user (interface.md, "Output folder"). */
export const OUTPUT_FILES = {
  model: "model.onnx",
  externalData: "model.onnx.data",
  configuration: "configuration.json",
  result: "result.json",
  trials: "trials.jsonl",
  run: "run",
} as const;

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
