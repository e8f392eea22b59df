import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TrialRecord } from "../../../shared/run/protocol/state.js";
import { RunRecords } from "../../../shared/run/records/run-records.js";
import { FileObjectStore } from "../../../shared/storage/file-store.js";

/** The finished trials recorded in an output folder, whether or not its run has ended. */
export async function finishedTrials(out: string): Promise<readonly TrialRecord[]> {
  const runs = await readdir(join(out, "run", "runs")).catch(() => []);
  const [runId] = runs;
  if (runId === undefined) return [];
  const records = new RunRecords(await FileObjectStore.open(join(out, "run")));
  // There is a short time after the request in which no state is saved yet.
  const saved = await records.load(runId);
  return saved?.state.finished ?? [];
}

/** The parts of trials that do not depend on time or on the thread that scored them. */
export async function decidedTrials(out: string): Promise<unknown[]> {
  const text = await readFile(join(out, "trials.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const { number, state, choices, metric, samples, bytes, loss, seen } = JSON.parse(line) as Record<
        string,
        unknown
      >;
      return { number, state, choices, metric, samples, bytes, loss, seen };
    });
}
