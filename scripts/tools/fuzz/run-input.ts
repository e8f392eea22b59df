import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runCommandLine } from "../../cli/main.js";
import { handleMessages } from "./handle-messages.js";
import {
  type CommandInput,
  FOLDER,
  type FuzzInput,
  type Outcome,
  type Problem,
} from "./inputs/fuzz-input.js";
import { problemOf } from "./problem.js";

/** Runs an input in this process, with its files in a temporary folder that is removed afterwards. */
export async function runInput({ run }: FuzzInput, folder: string): Promise<Outcome> {
  if (run.type === "message") return { code: 0, problems: await handleMessages(run) };
  try {
    await writeFiles(run, folder);
    process.chdir(folder);
    const { code, error } = await runCommandLine(["node", "quantfleet", ...run.argv]);
    const thrown = error === undefined ? [] : [problemOf(error, "thrown")];
    return { code, problems: [...thrown, ...(await failedTrials(folder))] };
  } finally {
    process.chdir(dirname(folder));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes an input's files into a folder, replacing the placeholder `FOLDER` in them by its path. */
export async function writeFiles({ files }: CommandInput, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    const text = Buffer.from(bytes);
    const named = text.includes(FOLDER) ? text.toString("utf8").replaceAll(FOLDER, folder) : bytes;
    await writeFile(path, named);
  }
}

/** The reasons of a run's failed trials, which are only in `trials.jsonl`. */
async function failedTrials(folder: string): Promise<readonly Problem[]> {
  const text = await readFile(join(folder, "out", "trials.jsonl"), "utf8").catch(() => "");
  return text.split("\n").flatMap((line): Problem[] => {
    if (!line.includes('"reason"')) return [];
    const { reason } = JSON.parse(line) as { readonly reason: string };
    // The class of the error that failed the trial is not recorded, so it is taken to be a RunError.
    return [{ name: "RunError", message: reason, how: "reported" }];
  });
}
