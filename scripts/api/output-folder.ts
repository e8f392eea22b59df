import { mkdtemp, open, readFile, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UsageError } from "../../shared/basics/errors.js";
import { makeFolder } from "../../shared/storage/make-folder.js";
import { writing } from "../../shared/storage/write-error.js";

/** Names of the files in an output folder (docs/reference/output-files.md, "Output folder"). */
export const OUTPUT_FILES = {
  model: "model.onnx",
  externalData: "model.onnx.data",
  configuration: "configuration.json",
  result: "result.json",
  trials: "trials.jsonl",
  run: "run",
} as const;

/**
 * Key of the model metadata in which `quantize` stores the SHA-256 of the parameter choices it used. A model with
 * this key was written by `quantize`, which may replace it.
 */
export const CHOICES_PROPERTY = "quantfleet.choices";
const PROPERTIES_WITHIN_BYTES = 65_536;

/** Files that hold the result of a command, as opposed to the records of a run. */
const RESULT_FILES = [
  OUTPUT_FILES.model,
  OUTPUT_FILES.externalData,
  OUTPUT_FILES.configuration,
  OUTPUT_FILES.result,
] as const;

/**
 * Checks that files can be written into a folder, which need not exist yet, and leaves nothing in it.
 *
 * @param remedy how to choose another folder, for the message
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
  // Writing is tried out, because permission bits do not tell: root cannot write into /proc or onto a full disk either.
  const probe = await mkdtemp(join(folder, ".quantfleet-")).catch(refuse("cannot be written to"));
  await rmdir(probe);
}

/**
 * Checks that a folder that is to be written into holds no result yet.
 *
 * @param instead another remedy, as a clause that ends with a comma and a space
 * @throws {UsageError} naming the files that are there
 */
export async function requireVacant(out: string, instead = ""): Promise<void> {
  const present = await presentResults(out);
  if (present.length === 0) return;
  throw new UsageError(
    `${out} already holds ${present.join(", ")}; ${instead}give another folder by --out, or replace it by --force.`,
  );
}

/**
 * As `requireVacant`, but a model written by `quantize` may be replaced, because quantizing again needs no
 * search.
 * @throws {UsageError} naming the files that are there
 */
export async function requireVacantForQuantize(out: string): Promise<void> {
  const present = await presentResults(out);
  const isOwn = present.every((file) => file === OUTPUT_FILES.model || file === OUTPUT_FILES.externalData);
  if (!isOwn || !(await isQuantizedAlone(join(out, OUTPUT_FILES.model)))) await requireVacant(out);
}

/** Whether a model file has the metadata that `quantize` writes, which are among the last bytes of the file. */
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
 * Checks that a folder into which a run's result is to be written holds no result of another run.
 * @throws {UsageError} naming the files that are there
 */
export async function requireOwnResult(out: string, runId: string): Promise<void> {
  const text = await readFile(join(out, OUTPUT_FILES.result), "utf8").catch(() => "");
  if (!text.includes(JSON.stringify(runId))) await requireVacant(out);
}

/** Names of the result files in a folder. */
async function presentResults(out: string): Promise<readonly string[]> {
  const present: string[] = [];
  for (const file of RESULT_FILES) if (await exists(join(out, file)).catch(() => false)) present.push(file);
  return present;
}

/**
 * Checks that a command would not overwrite its own input files.
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
 * Writes a file atomically: to a temporary file beside it, flushed, then renamed.
 * @throws {RunError} when it cannot be written; the temporary file is removed
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

/** Removes the result files of an earlier command that the current one has not overwritten. */
export async function removeOtherResults(out: string, written: readonly string[]): Promise<void> {
  for (const file of RESULT_FILES) {
    const path = join(out, file);
    if (!written.includes(file)) await writing(path, () => rm(path, { force: true }));
  }
}

export function runFolder(out: string): string {
  return join(out, OUTPUT_FILES.run);
}
