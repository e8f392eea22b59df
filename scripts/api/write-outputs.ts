import { join } from "node:path";
import { type DataError, RunError } from "../../shared/basics/errors.js";
import { finishKeys } from "../../shared/evaluation/jobs/finish.js";
import type { Workload } from "../../shared/evaluation/workload/workload.js";
import { planQuantization } from "../../shared/quantization/space/plan.js";
import { toError } from "../../shared/run/protocol/failed-outcome.js";
import { finishSummarySchema } from "../../shared/run/protocol/finish-summary.js";
import type { RunState } from "../../shared/run/protocol/state.js";
import { BASE_TRIAL, FLOAT_TRIAL, findReferences, type Study } from "../../shared/run/protocol/study.js";
import { buildResult } from "../../shared/run/result/build-result.js";
import type { RunResult } from "../../shared/run/result/result.js";
import { trialLines } from "../../shared/run/result/trial-lines.js";
import { parseRecord } from "../../shared/run/store/parse-record.js";
import { onnxruntimeVersion } from "../../shared/runtime/session.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { configurationDocument } from "./configuration-document.js";
import { OUTPUT_FILES, removeOtherResults, runFolder, writeWhole } from "./output-folder.js";

export interface OutputContext {
  readonly out: string;
  readonly study: Study;
  readonly workload: Workload;
  readonly hash: string;
  readonly workers: number;
  readonly timers: { readonly askSeconds: number };
  /** Store of the run's records; in the output folder when omitted. */
  readonly store?: ObjectStore;
}

/** Writes the result of a run into the output folder, each file atomically. */
export async function writeOutputs(state: RunState, context: OutputContext): Promise<RunResult> {
  const { out, study, workload, hash, workers, timers } = context;
  const { runId } = state.request;
  const store = context.store ?? (await FileObjectStore.open(runFolder(out)));
  const lines = [...trialLines(study, state)];
  await writeWhole(join(out, OUTPUT_FILES.trials), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const again =
    context.store === undefined ? "--resume goes on with it" : "submit it again under another name";
  const written: string[] = [];
  const write = async (file: string, content: string | Uint8Array): Promise<void> => {
    await writeWhole(join(out, file), content);
    written.push(file);
  };
  const writeChoices = async (trial: number | undefined): Promise<void> => {
    const line = lines.find(({ number }) => number === trial);
    if (line?.choices == null) return;
    const { model_name: name } = workload.configuration.model;
    const document = configurationDocument(runId, line.number, line.choices, name, workload.subject);
    await write(OUTPUT_FILES.configuration, `${JSON.stringify(document, null, 2)}\n`);
  };
  if (state.phase === "failed") {
    // The best choices are written even without a model, so that `quantize --configuration` can make it.
    await writeChoices(state.best?.number);
    throw failure(state, again);
  }
  const keys = finishKeys(runId);
  const stored = await store.get(keys.summary);
  if (stored === undefined || findReferences(state) === undefined) throw failure(state, again);
  const summary = parseRecord(keys.summary, finishSummarySchema, stored.body);
  const { prepared, layout, hardware, settings } = workload.subject;
  const result = await buildResult({
    state,
    study,
    metric: workload.metric,
    store,
    summary,
    layout,
    hardware,
    plan: (choices) => planQuantization(layout, hardware, settings.options, choices),
    model: { sha256: prepared.sha256, bytes: prepared.bytes },
    session: workload.configuration.engine.session,
    onnxruntime: onnxruntimeVersion(),
    configurationHash: hash,
    askSeconds: timers.askSeconds,
    workers,
  });
  await writeChoices(result.best?.trial);
  for (const [key, file] of [
    [keys.externalData, OUTPUT_FILES.externalData],
    [keys.model, OUTPUT_FILES.model],
  ] as const) {
    const object = await store.get(key);
    if (object !== undefined) await write(file, object.body);
  }
  await write(OUTPUT_FILES.result, `${JSON.stringify(result, null, 2)}\n`);
  // A model of an earlier result must not appear to belong to this one.
  await removeOtherResults(out, written);
  return result;
}

/**
 * The error of a run without a result.
 *
 * @param again clause that says how to resume or repeat the run
 */
function failure(state: RunState, again: string): DataError | RunError {
  const error = (reason: string, input: true | undefined): DataError | RunError =>
    toError({ reason: `${reason.replace(/\.$/, "")}.`, ...(input ? { input } : {}) });
  if (state.failure !== undefined) return error(`The run failed: ${state.failure}`, state.failedByInput);
  for (const [wanted, what] of [
    [FLOAT_TRIAL, "The float model"],
    [BASE_TRIAL, "The preset configuration"],
  ] as const) {
    const trial = state.finished.find(({ number }) => number === wanted);
    if (trial?.state === "failed") return error(`${what} could not be scored: ${trial.reason}`, trial.input);
  }
  return new RunError(
    `The run was stopped before the float model and the preset configuration had been scored; ${again}.`,
  );
}
