import { mkdtemp, open, readFile, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UsageError } from "../../shared/basics/errors.js";
import { makeFolder } from "../../shared/storage/make-folder.js";
import { writing } from "../../shared/storage/write-error.js";

/** The files that a run leaves for its user (interface.md, "Output folder"). */
export const OUTPUT_FILES = {
  model: "model.onnx",
  externalData: "model.onnx.data",
  configuration: "configuration.json",
  result: "result.json",
  trials: "trials.jsonl",
  run: "run",
} as const;

/** In the models of `quantize`: the hash of the choices. */
export const CHOICES_PROPERTY = "quantfleet.choices";
const PROPERTIES_WITHIN_BYTES = 65_536;

/** Those that say what a run came to, rather than how. */
const RESULT_FILES = [
  OUTPUT_FILES.model,
  OUTPUT_FILES.externalData,
  OUTPUT_FILES.configuration,
  OUTPUT_FILES.result,
] as const;

/**
 * Checks that files can be written into a folder, which need not exist yet, and leaves nothing.
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
  // Permission bits do not tell: whoever may do everything cannot write into /proc either, nor onto a full disk.
  const probe = await mkdtemp(join(folder, ".quantfleet-")).catch(refuse("cannot be written to"));
  await rmdir(probe);
}

/**
 * Checks that no result lies in a folder that is to be written into.
 *
 * @param instead what a user can do besides, as a clause that ends with a comma and a space
 * @throws {UsageError} that names what is there
 */
export async function requireVacant(out: string, instead = ""): Promise<void> {
  const present = await presentResults(out);
  if (present.length === 0) return;
  throw new UsageError(
    `${out} already holds ${present.join(", ")}; ${instead}give another folder by --out, or replace it by --force.`,
  );
}

/**
 * As `requireVacant`, but what `quantize` has written itself may be replaced: to quantize again takes no search.
 * @throws {UsageError} that names what is there
 */
export async function requireVacantForQuantize(out: string): Promise<void> {
  const present = await presentResults(out);
  const isOwn = present.every((file) => file === OUTPUT_FILES.model || file === OUTPUT_FILES.externalData);
  if (!isOwn || !(await isQuantizedAlone(join(out, OUTPUT_FILES.model)))) await requireVacant(out);
}

/** Whether a model carries the properties of `quantize`, which are among the last bytes of the file. */
async function isQuantizedAlone(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const { size } = await file.stat();
    const length = Math.min(size, PROPERTIES_WITHIN_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.includes(CHOICES_PROPERTY);
  } finally {
    await file.close();
  }
}

/**
 * Checks that no result of another run lies in a folder that a run's result is to be written into.
 * @throws {UsageError} that names what is there
 */
export async function requireOwnResult(out: string, runId: string): Promise<void> {
  const text = await readFile(join(out, OUTPUT_FILES.result), "utf8").catch(() => "");
  if (!text.includes(JSON.stringify(runId))) await requireVacant(out);
}

/** The files in a folder that say what a run came to. */
async function presentResults(out: string): Promise<readonly string[]> {
  const present: string[] = [];
  for (const file of RESULT_FILES) if (await exists(join(out, file)).catch(() => false)) present.push(file);
  return present;
}

/**
 * Checks that what a command reads is not what it would write.
 *
 * @param inputs the files that it reads
 * @throws {UsageError}
 */
export async function requireOtherFiles(out: string, inputs: readonly string[]): Promise<void> {
  const read = new Map<string, string>();
  for (const input of inputs) read.set(await canonicalPath(input), input);
  for (const file of Object.values(OUTPUT_FILES)) {
    const input = read.get(await canonicalPath(join(out, file)));
    if (input !== undefined)
      throw new UsageError(
        `${input} is read, and would be replaced by the result; give another folder by --out.`,
      );
  }
}

async function canonicalPath(path: string): Promise<string> {
  return realpath(path).catch(() => path);
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
  await writing(path, async () => {
    try {
      await makeFolder(dirname(path));
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
      throw error;
    }
  });
}

/** Removes results of an earlier command that the one at hand has not replaced. */
export async function removeOtherResults(out: string, written: readonly string[]): Promise<void> {
  for (const file of RESULT_FILES) {
    const path = join(out, file);
    if (!written.includes(file)) await writing(path, () => rm(path, { force: true }));
  }
}

export function runFolder(out: string): string {
  return join(out, OUTPUT_FILES.run);
}
