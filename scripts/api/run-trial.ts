import { stat } from "node:fs/promises";
import { UsageError } from "../../shared/basics/errors.js";
import { findFinished } from "../../shared/run/protocol/state.js";
import { FLOAT_TRIAL } from "../../shared/run/protocol/study.js";
import type { Configuration } from "../../shared/search/space/space.js";
import type { ConfigurationSource } from "./configuration.js";
import { type EarlierRun, readRuns, rememberedSource } from "./earlier-runs.js";

/** A trial of a run of `tune`, as read from the run's output folder. */
export interface RunTrial {
  readonly runId: string;
  readonly choices: Configuration;
}

/** Whether a path is a folder, such as an output folder of `tune`. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/**
 * The configuration of the latest run in a folder, with the tuning scopes of its trials.
 * @throws {UsageError} when the folder holds no run, or the run's configuration is not on record
 */
export async function runConfiguration(folder: string): Promise<ConfigurationSource> {
  const run = await latestRun(folder);
  const source = rememberedSource(folder, run);
  if (source === undefined) {
    throw new UsageError(
      `The configuration of run ${run.state.request.runId} in ${folder} is not on record; give the configuration, and the folder by --run.`,
    );
  }
  return source;
}

/**
 * A trial of the latest run in a folder.
 * @throws {UsageError} when there is no such trial, or its model cannot be made
 */
export async function readRunTrial(folder: string, number: number): Promise<RunTrial> {
  const { state } = await latestRun(folder);
  const { runId } = state.request;
  const trial = findFinished(state, number);
  if (trial === undefined) {
    const last = state.finished.reduce((most, ended) => Math.max(most, ended.number), FLOAT_TRIAL);
    throw new UsageError(
      `--trial is ${number}, but run ${runId} in ${folder} has ended no such trial; give a number from 1 to ${last}, as trials.jsonl lists them.`,
    );
  }
  if (trial.configuration === null) {
    throw new UsageError(
      `--trial is ${number}, which is the float model in run ${runId} in ${folder}; give the number of a quantized trial, as trials.jsonl lists them.`,
    );
  }
  if (trial.state === "failed") {
    throw new UsageError(
      `--trial is ${number}, which failed in run ${runId} in ${folder} (${trial.reason.replace(/\.$/, "")}); give the number of one that did not, as trials.jsonl lists them.`,
    );
  }
  return { runId, choices: trial.configuration };
}

async function latestRun(folder: string): Promise<EarlierRun> {
  const run = (await readRuns(folder)).at(-1);
  if (run !== undefined) return run;
  throw new UsageError(
    `${folder} holds no records of a run; give the output folder of tune, which keeps them in its folder run.`,
  );
}
