import { existsSync } from "node:fs";
import { DataError, QuantfleetError, UsageError } from "../../../shared/basics/errors.js";
import { mapConcurrently } from "../../../shared/basics/map-concurrently.js";
import type { RunConfiguration } from "../../../shared/configuration/schema.js";
import { scoresKey } from "../../../shared/run/protocol/record-keys.js";
import { hasEnded, type RunState, type TrialRecord } from "../../../shared/run/protocol/state.js";
import type { RestoredRecord } from "../../../shared/run/records/restored-record.js";
import { RunRecords } from "../../../shared/run/records/run-records.js";
import { readWorkloadDocument } from "../../../shared/run/store/workload-document.js";
import { FileObjectStore } from "../../../shared/storage/file-store.js";
import type { ObjectStore } from "../../../shared/storage/object-store.js";
import { putImmutable } from "../../../shared/storage/retrying-store.js";
import { readRuns } from "../../api/earlier-runs.js";
import { runFolder } from "../../api/output-folder.js";
import type { EarlierRuns } from "../../api/run-start.js";
import type { EvaluatorSize } from "../deployment/fleet.js";
import { requireRunName } from "./run-name.js";

/**
 * The earlier run that a run on a fleet starts from: a run of the same fleet, or the output folder of `tune`.
 */
export type EarlierRunName = { readonly run: string } | { readonly folder: string };

/**
 * Trials taken over from an earlier run: the record that a run's request refers to, and the store that holds the
 * trials' rows (per-sample scores).
 */
export interface RestoredTrials {
  readonly trials: readonly TrialRecord[];
  readonly record: RestoredRecord;
  readonly records: ObjectStore | undefined;
}

type LoadMethod = RunConfiguration["optimizer"]["params"]["trials_load_method"];

/** Largest number of concurrent uploads of rows (per-sample scores). */
const UPLOADS = 32;

/**
 * The earlier runs that `trials_load_method` may start from.
 *
 * @param fleet the records of the fleet's own runs
 * @throws {UsageError} when the method needs an earlier run and none is named that can be used
 */
export async function findEarlierRuns(
  method: LoadMethod,
  from: EarlierRunName | undefined,
  fleet: ObjectStore | undefined,
): Promise<EarlierRuns & Pick<RestoredTrials, "records">> {
  if (method === "cold_start") {
    if (from === undefined) return { runs: [], nothing: "", remedy: "", records: undefined };
    throw new UsageError(
      `An earlier run is named (${describe(from)}), but trials_load_method is "cold_start", which begins anew; set it to warm_start, fine_tune or eval.`,
    );
  }
  if (from === undefined)
    throw new UsageError(
      `trials_load_method is "${method}", but no earlier run is named; name one of the fleet by --from-run or tune's output folder by --from-folder, or set it to cold_start.`,
    );
  const remedy = "name another run by --from-run or --from-folder";
  if ("folder" in from) {
    if (!existsSync(from.folder))
      throw new UsageError(
        `The earlier run's folder ${from.folder} is not there; give the path of an output folder of tune.`,
      );
    const runs = (await readRuns(from.folder)).filter(({ state }) => hasEnded(state));
    const nothing = `${from.folder} holds no ended run with a scored quantized trial`;
    const isThere = runs.length > 0;
    return { runs, nothing, remedy, records: isThere ? await openRecords(from.folder) : undefined };
  }
  if (fleet === undefined)
    throw new UsageError(`Run ${from.run} lies in a fleet, and none is named; give --stack with its name.`);
  const nothing = `run ${from.run} has no scored quantized trial`;
  return { runs: [await readFleetRun(fleet, from.run)], nothing, remedy, records: fleet };
}

const openRecords = (out: string): Promise<ObjectStore> => FileObjectStore.open(runFolder(out));

const describe = (from: EarlierRunName): string => ("run" in from ? from.run : from.folder);

async function readFleetRun(fleet: ObjectStore, runId: string): Promise<EarlierRuns["runs"][number]> {
  requireRunName(runId);
  const document = await readWorkloadDocument(fleet, runId);
  const saved = document && (await new RunRecords(fleet).load(runId));
  if (saved === undefined) throw unknownRun(runId);
  const { state } = saved;
  if (!hasEnded(state))
    throw new UsageError(
      `Run ${runId} has not ended (${state.phase}), so no run can start from it yet; wait for it, or cancel it first.`,
    );
  // The configuration's directory does not matter, as the earlier run's files are not read again.
  const { configuration, configurationHash: hash } = document!;
  return { state, remembered: { hash, directory: ".", configuration } };
}

export function unknownRun(runId: string): QuantfleetError {
  return new QuantfleetError(
    "NOTHING_TO_RESUME",
    `The fleet holds no run ${runId}, or has not taken it up yet; submit one, or check its name.`,
  );
}

/**
 * The processor class whose results are comparable with the fleet's: that of the earlier run if the fleet's
 * architecture allows it. Which x86 class will answer is not known in advance; jobs answered by another class
 * are sent again.
 *
 * @throws {UsageError} when the fleet's architecture is unknown
 */
export function expectedIsa(
  { isa, request }: RunState,
  evaluator: Pick<EvaluatorSize, "architecture"> | undefined,
  from: EarlierRunName | undefined,
): string {
  const earlier = isa ?? request.isa ?? "unknown";
  if (evaluator === undefined) {
    // A run of the same fleet has the fleet's architecture.
    if (from !== undefined && "run" in from) return earlier;
    throw new UsageError(
      "Without its stack the fleet's processors are unknown, so trials of another machine cannot be compared; give --stack with its name.",
    );
  }
  const kind = evaluator.architecture === "arm64" ? "arm64" : "x64";
  return earlier === kind || earlier.startsWith(`${kind}-`) ? earlier : kind;
}

/**
 * Uploads restored trials and their rows (per-sample scores) to where coordinators and evaluators read them; must
 * precede the request of a run that refers to them.
 *
 * @throws {DataError} when rows of a trial are missing from the earlier run's records
 */
export async function uploadRestored(
  store: ObjectStore,
  { trials, record, records }: RestoredTrials,
): Promise<void> {
  if (records !== undefined && records !== store) {
    const keys = trials.flatMap(rowsKeysOf);
    await mapConcurrently(keys, UPLOADS, async (key) => {
      const stored = await records.get(key);
      if (stored === undefined)
        throw new DataError(
          `The earlier run's record ${key} is missing, so its trials cannot be restored; set trials_load_method to fine_tune or cold_start.`,
        );
      await putImmutable(store, key, stored.body);
    });
  }
  await new RunRecords(store).writeRestored(record);
}

/** Store keys of the rows (per-sample scores) of an earlier run's trial, one per shard (part of the samples). */
function rowsKeysOf(trial: TrialRecord): readonly string[] {
  const { origin } = trial;
  if (trial.state === "failed" || origin === undefined) return [];
  // A shard (part of the samples) that had no answer when the trial was stopped has no rows.
  return trial.scores.flatMap((name, shard) =>
    name === "" ? [] : [scoresKey(origin.run, origin.trial, shard, name)],
  );
}
