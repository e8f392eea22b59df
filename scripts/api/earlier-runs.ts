import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { QuantfleetError, UsageError } from "../../shared/basics/errors.js";
import { canonicalJson } from "../../shared/configuration/hash.js";
import type { RunConfiguration, RunConfigurationInput } from "../../shared/configuration/schema.js";
import { runPrefix } from "../../shared/run/protocol/record-keys.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import type { RunState } from "../../shared/run/protocol/state.js";
import type { RestoredRecord } from "../../shared/run/records/restored-record.js";
import { RunRecords } from "../../shared/run/records/run-records.js";
import { DamagedRecordError } from "../../shared/run/store/damaged-record.js";
import { parseJson } from "../../shared/run/store/parse-record.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { listRuns } from "../local/engine.js";
import type { ConfigurationSource } from "./configuration.js";
import { runFolder } from "./output-folder.js";

/** Number of characters of the configuration's hash in a run's name; the run's number within its folder follows. */
const RUN_ID_HASH_LENGTH = 12;

/** Key, among a run's records, of the document that holds the configuration that the run was started with. */
const configurationKey = (runId: string): string => `${runPrefix(runId)}configuration.json`;

const startSchema = z.strictObject({
  hash: z.string(),
  /** Folder that the configuration's relative paths start from. */
  directory: z.string(),
  configuration: z.record(z.string(), z.unknown()),
});

type StartDocument = z.infer<typeof startSchema>;

/** A run recorded in an output folder. */
export interface EarlierRun {
  readonly state: RunState;
  /**
   * The configuration that the run was started with, where it is on record. `hash` is of the configuration as
   * given, which may have narrower tuning scopes than the one that was run.
   */
  readonly remembered: StartDocument | undefined;
}

/** The configuration that an earlier run of an output folder was started with, from the run's records. */
export function rememberedSource(
  out: string,
  { state, remembered }: EarlierRun,
): ConfigurationSource | undefined {
  if (remembered === undefined) return undefined;
  return {
    // The type is only assumed here: the loader checks the configuration against the schema again.
    configuration: remembered.configuration as RunConfigurationInput,
    directory: remembered.directory,
    file: join(runFolder(out), configurationKey(state.request.runId)),
  };
}

/**
 * Stores the configuration that a run is started with and the trials that it takes over from an earlier run,
 * before it starts.
 */
export async function recordRunStart(
  out: string,
  request: RunRequest,
  started: { readonly hash: string; readonly directory: string; readonly configuration: RunConfiguration },
  restored: RestoredRecord | undefined,
): Promise<void> {
  const store = await FileObjectStore.open(runFolder(out));
  await store.put(configurationKey(request.runId), Buffer.from(canonicalJson(started)));
  if (restored !== undefined) await new RunRecords(store).writeRestored(restored);
}

/**
 * Reads the runs in an output folder, oldest first.
 * @throws {UsageError} when a record of a run is damaged
 */
export function readRuns(out: string): Promise<EarlierRun[]> {
  return withReadableRecords(out, () => readIntactRuns(out));
}

/**
 * Runs a function that reads records of an output folder, and turns a damaged record into a usage error.
 * @throws {UsageError} naming the file of a damaged record
 */
export async function withReadableRecords<T>(out: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof DamagedRecordError)) throw error;
    throw new UsageError(
      `${join(runFolder(out), error.key)} ${error.problem}; start a new run in another folder by --out, or replace this one by --force.`,
      { cause: error },
    );
  }
}

/**
 * A run name that is unused in the folder. It contains no time or random number, because models carry it and
 * the same run must give the same bytes.
 */
export async function newRunId(out: string, hash: string): Promise<string> {
  const taken = await readdir(join(runFolder(out), "runs")).catch((): string[] => []);
  for (let number = taken.length + 1; ; number++) {
    const runId = `${hash.slice(0, RUN_ID_HASH_LENGTH)}-${number}`;
    if (!taken.includes(runId)) return runId;
  }
}

async function readIntactRuns(out: string): Promise<EarlierRun[]> {
  const folder = runFolder(out);
  const present = await readdir(folder).catch(() => []);
  if (present.length === 0) return [];
  const store = await FileObjectStore.open(folder);
  const records = new RunRecords(store);
  const runs: EarlierRun[] = [];
  for (const runId of await listRuns(folder)) {
    const run = await readRun(store, records, runId);
    if (run !== undefined) runs.push(run);
  }
  return runs.sort((a, b) => a.state.startedAt - b.state.startedAt);
}

async function readRun(
  store: ObjectStore,
  records: RunRecords,
  runId: string,
): Promise<EarlierRun | undefined> {
  const saved = await records.load(runId);
  if (saved === undefined) return undefined;
  const key = configurationKey(runId);
  const stored = await store.get(key);
  const remembered = stored && startSchema.safeParse(parseJson(key, stored.body)).data;
  return { state: saved.state, remembered };
}

/** Removes the runs whose records are damaged from an output folder, so that the other runs can be read. */
export async function removeDamagedRuns(out: string): Promise<void> {
  const folder = runFolder(out);
  const store = await FileObjectStore.open(folder);
  const records = new RunRecords(store);
  for (const runId of await listRuns(folder)) {
    const damaged = await readRun(store, records, runId).then(
      () => false,
      (error: unknown) => error instanceof DamagedRecordError,
    );
    if (damaged) await rm(join(folder, runPrefix(runId)), { recursive: true });
  }
}

/**
 * The latest run in the folder, to be resumed or extended; its output may not have been written yet.
 * @throws {QuantfleetError} when there is none
 * @throws {UsageError} when it has another configuration
 */
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
