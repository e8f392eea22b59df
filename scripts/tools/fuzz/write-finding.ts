import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Finding } from "./fuzz-pool.js";
import { writeFiles } from "./run-input.js";

/** Writes an input that shows a defect into a folder, with its mutations and outcome in `finding.json`. */
export async function writeFinding(folder: string, { input, defect, outcome }: Finding): Promise<void> {
  const { number, kind, mutations, run } = input;
  await mkdir(folder, { recursive: true });
  const called = run.type === "command" ? { argv: run.argv } : { to: run.to, bodies: run.bodies };
  const told = { number, kind, mutations, ...called, defect, ...outcome };
  if (run.type === "command") await writeFiles(run, folder);
  else
    for (const [key, bytes] of run.stored) {
      const path = join(folder, "store", key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
    }
  await writeFile(join(folder, "finding.json"), `${JSON.stringify(told, null, 2)}\n`);
}
