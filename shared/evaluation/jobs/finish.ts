import { RunError } from "../../basics/errors.js";
import { exactClasses, portabilityProperties } from "../../quantization/rewrite/portability.js";
import type { FinishedCandidate, FinishSummary } from "../../run/protocol/finish-summary.js";
import type { FinishJob, FinishReported } from "../../run/protocol/messages.js";
import { runPrefix } from "../../run/protocol/record-keys.js";
import { BASE_TRIAL } from "../../run/protocol/study.js";
import type { Configuration } from "../../search/space/space.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { encodeFiles, withProperties } from "../model/model-files.js";
import { findIntegerKernels } from "../quantizer/integer-kernels.js";
import { measureExactness } from "../quantizer/kernel-exactness.js";
import type { QuantizedModel } from "../quantizer/quantizer.js";
import type { Workload } from "../workload/workload.js";
import { contentHash, type Evaluator } from "./evaluator.js";

/** Keys of the objects that the finish job writes. */
export const finishKeys = (runId: string) => ({
  model: `${runPrefix(runId)}model.onnx`,
  externalData: `${runPrefix(runId)}model.onnx.data`,
  summary: `${runPrefix(runId)}finish.json`,
});

type Finished = Extract<FinishReported["outcome"], { state: "complete" }>;

/**
 * Ends a run: scores the best few candidates on the validation samples, measures their latency, and writes the first
 * of them, which the objective chose, as the model. A measurement that fails is left out and reported as a problem; a
 * candidate whose model cannot be made is replaced by the next.
 */
export async function finishRun(
  job: FinishJob,
  evaluator: Evaluator,
  workload: Workload,
  store: ObjectStore,
  properties: Readonly<Record<string, string>>,
): Promise<Finished> {
  // The run was interrupted before the base was scored: there may be no statistics, and there is nothing to write.
  if (job.candidates.length === 0) return { state: "complete", best: null, validation: [], objects: [] };
  const keys = finishKeys(job.runId);
  const { subject, session, calibrationBatches } = workload;
  const objects: Finished["objects"] = [];
  const put = async (key: string, body: Uint8Array): Promise<void> => {
    await store.put(key, body);
    objects.push({ key, bytes: body.byteLength, sha256: contentHash(body) });
  };
  const problems = new Set<string>();
  /** Trials whose models could not be made, by reason. */
  const failures = new Map<string, readonly number[]>();
  const attempt = async <T>(
    what: string,
    work: () => Promise<T>,
    onFailure: (reason: string) => unknown = () => undefined,
  ): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      problems.add(`${what}: ${reason}`);
      onFailure(reason);
      return undefined;
    }
  };
  const examine = async (
    trial: number,
    configuration: Configuration,
    write: boolean,
  ): Promise<FinishedCandidate | undefined> => {
    const make = async () => {
      const candidate = await evaluator.quantize(configuration);
      const exactOn = exactClasses(subject.layout, candidate.plan);
      const model = withProperties(candidate.model, { ...properties, ...portabilityProperties(exactOn) });
      return { candidate, exactOn, files: encodeFiles(model, subject.prepared.external) };
    };
    const made = await attempt(`The model of trial ${trial} could not be made`, make, (reason) =>
      failures.set(reason, [...(failures.get(reason) ?? []), trial]),
    );
    if (made === undefined) return undefined;
    const { candidate, exactOn, files } = made;
    if (write && files.data !== undefined) await put(keys.externalData, files.data);
    if (write) await put(keys.model, files.model);
    const scored = await attempt(`Trial ${trial} could not be validated`, () =>
      validation(evaluator, workload, candidate),
    );
    const latency = await attempt(`The latency of trial ${trial} could not be measured`, () =>
      evaluator.latency(candidate),
    );
    const kernels = await attempt(`The integer kernels of trial ${trial} could not be counted`, () =>
      findIntegerKernels(candidate.model, subject.layout, candidate.plan, session),
    );
    const isCompared = write || trial === BASE_TRIAL;
    const exact = isCompared
      ? await attempt(`Trial ${trial} could not be compared with exact arithmetic`, () =>
          measureExactness(candidate.model, calibrationBatches, session),
        )
      : undefined;
    return {
      trial,
      ...(scored === undefined ? {} : { validation: scored }),
      ...(latency === undefined ? {} : { latency }),
      modelBytes: files.model.byteLength + (files.data?.byteLength ?? 0),
      ...(kernels === undefined ? {} : { integerKernels: kernels }),
      unbounded: { ...candidate.unbounded },
      exactOn,
      ...(exact === undefined ? {} : { exactness: exact }),
    };
  };
  const floatValidation = await attempt("The float model could not be validated", () =>
    validation(evaluator, workload, undefined),
  );
  const candidates: FinishedCandidate[] = [];
  for (const { trial, configuration } of job.candidates) {
    const candidate = await examine(trial, configuration, candidates.length === 0);
    if (candidate !== undefined) candidates.push(candidate);
  }
  if (candidates.length === 0) throw new RunError(noneMade(failures));
  const base =
    candidates.find(({ trial }) => trial === BASE_TRIAL) ?? (await examine(BASE_TRIAL, job.base, false));
  const summary: FinishSummary = {
    ...(floatValidation === undefined ? {} : { floatValidation }),
    ...(base === undefined ? {} : { base }),
    candidates,
    problems: [...problems],
  };
  await put(keys.summary, Buffer.from(JSON.stringify(summary)));
  return {
    state: "complete",
    best: candidates[0]!.trial,
    validation: summary.candidates.flatMap(({ trial, validation: scored }) =>
      scored === undefined ? [] : [{ trial, value: scored.value }],
    ),
    objects,
  };
}

/** One sentence, with each reason once and the trials that it holds for. */
function noneMade(failures: ReadonlyMap<string, readonly number[]>): string {
  const reasons = [...failures].map(
    ([reason, trials]) =>
      `the model of trial ${trials.join(", ")} could not be made: ${reason.replace(/\.$/, "")}`,
  );
  return `${reasons.join("; and ")}.`;
}

async function validation(
  evaluator: Evaluator,
  { metric }: Workload,
  candidate: QuantizedModel | undefined,
): Promise<FinishSummary["floatValidation"] | undefined> {
  const scores = await evaluator.validate(candidate);
  if (scores === undefined) return undefined;
  const [low, high] = metric.interval(scores.rows);
  const value = metric.aggregate(scores.rows);
  if (![value, low, high].every(Number.isFinite)) {
    throw new RunError(`its ${metric.name} on the validation samples is ${value}, from ${low} to ${high}.`);
  }
  return { value, samples: scores.samples, interval: [low, high] };
}
