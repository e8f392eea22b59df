import { readdir } from "node:fs/promises";
import * as z from "zod";
import { QuantfleetError, UsageError } from "../../shared/errors.js";
import { canonicalJson } from "../../shared/run/configuration/hash.js";
import type { RunConfiguration } from "../../shared/run/configuration/schema.js";
import { runPrefix } from "../../shared/run/record-keys.js";
import type { RunRequest } from "../../shared/run/request.js";
import type { RestoredRecord } from "../../shared/run/restored-record.js";
import { RunRecords } from "../../shared/run/run-records.js";
import type { RunState } from "../../shared/run/state.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import { listRuns } from "../local/engine.js";
import { runFolder } from "./output-folder.js";

/** Beside a run's records: what it was started with. */
const configurationKey = (runId: string): string => `${runPrefix(runId)}configuration.json`;

const rememberedSchema = z.strictObject({
  hash: z.string(),
  /** Where the configuration's relative paths start. */
  directory: z.string(),
  configuration: z.record(z.string(), z.unknown()),
});

type Remembered = z.infer<typeof rememberedSchema>;

/** A run in an output folder. */
export interface EarlierRun {
  readonly state: RunState;
  /** `hash` is of the configuration as it was given, which may hold fewer scopes than the one it was run with. */
  readonly remembered: Remembered | undefined;
}

/** Writes what a run is started with, before it is. */
export async function rememberRun(
  out: string,
  request: RunRequest,
  started: { readonly hash: string; readonly directory: string; readonly configuration: RunConfiguration },
  restored: RestoredRecord | undefined,
): Promise<void> {
  const store = await FileObjectStore.open(runFolder(out));
  await store.put(configurationKey(request.runId), Buffer.from(canonicalJson(started)));
  if (restored !== undefined) await new RunRecords(store).writeRestored(restored);
}

/** The runs in an output folder, oldest first. */
export async function readRuns(out: string): Promise<EarlierRun[]> {
  const folder = runFolder(out);
  const present = await readdir(folder).catch(() => []);
  if (present.length === 0) return [];
  const store = await FileObjectStore.open(folder);
  const records = new RunRecords(store);
  const runs: EarlierRun[] = [];
  for (const runId of await listRuns(folder)) {
    const saved = await records.load(runId);
    if (saved === undefined) continue;
    const stored = await store.get(configurationKey(runId));
    const remembered =
      stored && rememberedSchema.safeParse(JSON.parse(Buffer.from(stored.body).toString("utf8"))).data;
    runs.push({ state: saved.state, remembered });
  }
  return runs.sort((a, b) => a.state.startedAt - b.state.startedAt);
}

/** The run to go on with, or to extend: the latest, whose output may not have been written any more. */
export async function earlierRun(out: string, hash: string): Promise<EarlierRun> {
  const found = (await readRuns(out)).at(-1);
  if (found === undefined) {
    throw new QuantfleetError(
      "NOTHING_TO_RESUME",
      `${out} holds no run to resume; start one without --resume, or give its folder by --out.`,
    );
  }
  if (found.remembered?.hash !== hash) {
    throw new UsageError(
      `${out} holds a run of another configuration; resume it with the configuration and options that it was started with, of which only max_trials, max_minutes and max_cost_usd may differ, or give another folder by --out.`,
    );
  }
  return found;
}
