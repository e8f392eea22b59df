import { RunError } from "../../basics/errors.js";
import type { Model } from "../../onnx/model/codec.js";
import { exactClasses, portabilityProperties } from "../../quantization/rewrite/portability.js";
import type { FinishedCandidate, FinishSummary } from "../../run/protocol/finish-summary.js";
import type { FinishJob, FinishReported } from "../../run/protocol/messages.js";
import { runPrefix } from "../../run/protocol/record-keys.js";
import { BASE_TRIAL, FLOAT_TRIAL } from "../../run/protocol/study.js";
import type { LatencyRatio } from "../../runtime/latency.js";
import type { ProcessorClass } from "../../runtime/processor-class.js";
import type { Configuration } from "../../search/space/space.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { encodeFiles, fileBytes, readFloatFiles, withProperties } from "../model/model-files.js";
import { findIntegerKernels } from "../quantizer/integer-kernels.js";
import { measureExactness } from "../quantizer/kernel-exactness.js";
import type { QuantizedModel } from "../quantizer/quantizer.js";
import type { Workload } from "../workload/workload.js";
import { chooseFinalist } from "./choose-finalist.js";
import { contentHash, type Evaluator } from "./evaluator.js";

/** Store keys of the objects that the finish job writes. */
export const finishKeys = (runId: string) => ({
  model: `${runPrefix(runId)}model.onnx`,
  externalData: `${runPrefix(runId)}model.onnx.data`,
  summary: `${runPrefix(runId)}finish.json`,
});

type Finished = Extract<FinishReported["outcome"], { state: "complete" }>;

/**
 * A quantized model that the finish made of a finalist or of the base configuration, before it is measured.
 */
interface MadeModel {
  readonly trial: number;
  readonly candidate: QuantizedModel;
  readonly exactOn: readonly ProcessorClass[];
  readonly model: Model;
  /** Total size of its files. */
  readonly bytes: number;
}

/**
 * Ends a run: scores the finalists on the validation samples, times all of them and the float model in turn, chooses the
 * result ({@link chooseFinalist}) and writes it. A measurement that fails is left out and reported as a
 * problem; a finalist whose model cannot be made is replaced by the next.
 */
export async function finishRun(
  job: FinishJob,
  evaluator: Evaluator,
  workload: Workload,
  store: ObjectStore,
  properties: Readonly<Record<string, string>>,
): Promise<Finished> {
  // The run was interrupted before the base configuration was scored: there may be no statistics, and there
  // is nothing to write.
  if (job.candidates.length === 0) return { state: "complete", best: null, validation: [], objects: [] };
  const keys = finishKeys(job.runId);
  const { subject, session, calibrationBatches } = workload;
  const { prepared } = subject;
  const objects: Finished["objects"] = [];
  const put = async (key: string, body: Uint8Array): Promise<void> => {
    await store.put(key, body);
    objects.push({ key, bytes: body.byteLength, sha256: contentHash(body) });
  };
  const problems = new Set<string>();
  /** Trials whose models could not be made, by the reason. */
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
  const make = (trial: number, configuration: Configuration): Promise<MadeModel | undefined> =>
    attempt(
      `The model of trial ${trial} could not be made`,
      async () => {
        const candidate = await evaluator.quantize(configuration);
        const exactOn = exactClasses(subject.layout, candidate.plan);
        const model = withProperties(candidate.model, { ...properties, ...portabilityProperties(exactOn) });
        return { trial, candidate, exactOn, model, bytes: fileBytes(model, prepared.external) };
      },
      (reason) => failures.set(reason, [...(failures.get(reason) ?? []), trial]),
    );
  const examine = async (
    { trial, candidate, exactOn, bytes }: MadeModel,
    latency: LatencyRatio | undefined,
    isWritten: boolean,
  ): Promise<FinishedCandidate> => {
    const scored = await attempt(`Trial ${trial} could not be validated`, () =>
      validation(evaluator, workload, candidate),
    );
    const kernels = await attempt(`The integer kernels of trial ${trial} could not be counted`, () =>
      findIntegerKernels(candidate.model, subject.layout, candidate.plan, session),
    );
    const isCompared = isWritten || trial === BASE_TRIAL;
    const exact = isCompared
      ? await attempt(`Trial ${trial} could not be compared with exact arithmetic`, () =>
          measureExactness(candidate.model, calibrationBatches, session),
        )
      : undefined;
    return {
      trial,
      ...(scored === undefined ? {} : { validation: scored }),
      ...(latency === undefined ? {} : { latency }),
      modelBytes: bytes,
      ...(kernels === undefined ? {} : { integerKernels: kernels }),
      unbounded: { ...candidate.unbounded },
      exactOn: [...exactOn],
      ...(exact === undefined ? {} : { exactness: exact }),
    };
  };
  const floatValidation = await attempt("The float model could not be validated", () =>
    validation(evaluator, workload, undefined),
  );
  const finalists: MadeModel[] = [];
  let withinBound = 0;
  for (const [rank, { trial, configuration }] of job.candidates.entries()) {
    const made = await make(trial, configuration);
    if (made === undefined) continue;
    finalists.push(made);
    if (rank < (job.withinBound ?? job.candidates.length)) withinBound = finalists.length;
  }
  if (finalists.length === 0) throw new RunError(noneMade(failures));
  const base = finalists.find(({ trial }) => trial === BASE_TRIAL) ?? (await make(BASE_TRIAL, job.base));
  const models = base === undefined || finalists.includes(base) ? finalists : [...finalists, base];
  const latencies = await attempt("The latencies could not be measured", () =>
    evaluator.latencies(models.map(({ candidate }) => candidate)),
  );
  const latencyOf = (made: MadeModel): LatencyRatio | undefined => latencies?.[models.indexOf(made)];
  const { objective, minimize, accuracy_loss: accuracyLoss } = workload.configuration.optimizer.params;
  const choice = chooseFinalist(
    finalists.map((made) => {
      const latency = latencyOf(made);
      return { trial: made.trial, bytes: made.bytes, ...(latency === undefined ? {} : { latency }) };
    }),
    {
      minimize: objective === "loss" ? undefined : minimize,
      accuracyLoss,
      withinBound,
      floatBytes: prepared.bytes,
    },
  );
  const written = "trial" in choice ? finalists.find(({ trial }) => trial === choice.trial) : undefined;
  const files =
    written === undefined
      ? await readFloatFiles(workload.modelPath, prepared.external)
      : encodeFiles(written.model, prepared.external);
  if (files.data !== undefined) await put(keys.externalData, files.data);
  await put(keys.model, files.model);
  const examined = new Map<MadeModel, FinishedCandidate>();
  for (const made of models) examined.set(made, await examine(made, latencyOf(made), made === written));
  const ordered = written === undefined ? finalists : [written, ...finalists.filter((f) => f !== written)];
  const floatLevel = await evaluator.floatLevel();
  const summary: FinishSummary = {
    ...(floatValidation === undefined ? {} : { floatValidation }),
    ...(floatLevel === undefined ? {} : { floatLevel }),
    ...("keepFloat" in choice ? { keepFloat: choice.keepFloat } : {}),
    ...(base === undefined ? {} : { base: examined.get(base)! }),
    candidates: ordered.map((made) => examined.get(made)!),
    problems: [...problems],
  };
  await put(keys.summary, Buffer.from(JSON.stringify(summary)));
  return {
    state: "complete",
    best: written?.trial ?? FLOAT_TRIAL,
    validation: summary.candidates.flatMap(({ trial, validation: scored }) =>
      scored === undefined ? [] : [{ trial, value: scored.value }],
    ),
    objects,
  };
}

/**
 * The error message if no finalist's model could be made: each reason once, with the trials that it holds
 * for.
 */
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
