import { existsSync } from "node:fs";
import { inOrder } from "../../../shared/basics/concurrently.js";
import { DataError, QuantfleetError, UsageError } from "../../../shared/basics/errors.js";
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

/** An earlier run that a run of a fleet begins with: one of the same fleet, or those in an output folder of `tune`. */
export type EarlierRunName = { readonly run: string } | { readonly folder: string };

/** Trials that runs begin with: the record that requests name, and the store where the trials' rows lie. */
export interface RestoredTrials {
  readonly trials: readonly TrialRecord[];
  readonly record: RestoredRecord;
  readonly records: ObjectStore | undefined;
}

type LoadMethod = RunConfiguration["optimizer"]["params"]["trials_load_method"];

/** Rows of trials on their way at once. */
const UPLOADS = 32;

/**
 * What `trials_load_method` finds by its name.
 *
 * @param fleet the fleet's own records
 * @throws {UsageError} unless a run is named that can be begun with, where the method asks for one
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
      `Run ${runId} has not ended (${state.phase}), and what it will come to is to be begun with; wait for it, or cancel it first.`,
    );
  // Its files are no longer asked for, so that its paths may start from anywhere.
  const { configuration, configurationHash: hash } = document!;
  return { state, remembered: { hash, directory: ".", configuration } };
}

export function unknownRun(runId: string): QuantfleetError {
  return new QuantfleetError(
    "NOTHING_TO_RESUME",
    `The fleet holds no run ${runId}, or has not heard of it yet; submit one, or check its name.`,
  );
}

/**
 * The instruction set whose results can stand beside those of a fleet: the earlier run's, if the fleet's processors are
 * of that kind. Which kind of x86 answers is not known beforehand; answers of another one are sent again.
 *
 * @throws {UsageError} where it is not known what the fleet's processors are
 */
export function expectedIsa(
  { isa, request }: RunState,
  evaluator: Pick<EvaluatorSize, "architecture"> | undefined,
  from: EarlierRunName | undefined,
): string {
  const earlier = isa ?? request.isa ?? "unknown";
  if (evaluator === undefined) {
    // A fleet's own run says what the fleet is.
    if (from !== undefined && "run" in from) return earlier;
    throw new UsageError(
      "What processors the fleet has is not known without its stack, and trials of another machine are held against them; give --stack with its name.",
    );
  }
  const kind = evaluator.architecture === "arm64" ? "arm64" : "x64";
  return earlier === kind || earlier.startsWith(`${kind}-`) ? earlier : kind;
}

/**
 * Puts trials that runs begin with, and their rows, where coordinators and evaluators look for them; do it before a run
 * is requested that names them.
 *
 * @throws {DataError} when rows of a trial are not in its records any more
 */
export async function uploadRestored(
  store: ObjectStore,
  { trials, record, records }: RestoredTrials,
): Promise<void> {
  if (records !== undefined && records !== store) {
    const keys = trials.flatMap(rowsKeysOf);
    await inOrder(keys, UPLOADS, async (key) => {
      const stored = await records.get(key);
      if (stored === undefined)
        throw new DataError(
          `The earlier run's record ${key} is missing, so its trials cannot be begun with; set trials_load_method to fine_tune or cold_start.`,
        );
      await putImmutable(store, key, stored.body);
    });
  }
  await new RunRecords(store).writeRestored(record);
}

/** Where the rows of a trial of an earlier run lie. */
function rowsKeysOf(trial: TrialRecord): readonly string[] {
  const { origin } = trial;
  if (trial.state === "failed" || origin === undefined) return [];
  // A shard that had not answered when the trial was stopped has none.
  return trial.scores.flatMap((name, shard) =>
    name === "" ? [] : [scoresKey(origin.run, origin.trial, shard, name)],
  );
}
