import { create } from "@bufbuild/protobuf";
import { StringStringEntryProtoSchema } from "onnx-buf";
import * as z from "zod";
import { encodeModel, type Model } from "../onnx/codec.js";
import { edited } from "../onnx/edited.js";
import { externalizeData } from "../onnx/external-data.js";
import { exactClasses, isPortable } from "../quantization/portability.js";
import { PROCESSOR_CLASSES, type ProcessorClass } from "../quantization/processor-class.js";
import type { FinishJob, FinishReported } from "../run/messages.js";
import { runPrefix } from "../run/record-keys.js";
import { BASE_TRIAL } from "../run/study.js";
import type { Configuration } from "../search/space.js";
import type { ObjectStore } from "../storage/object-store.js";
import { contentHash, type Evaluator } from "./evaluator.js";
import { findIntegerKernels } from "./integer-kernels.js";
import { measureExactness } from "./kernel-exactness.js";
import type { QuantizedModel } from "./quantizer.js";
import type { Workload } from "./workload.js";

/** Where the finish job leaves what it made. */
export const finishKeys = (runId: string) => ({
  model: `${runPrefix(runId)}model.onnx`,
  externalData: `${runPrefix(runId)}model.onnx.data`,
  summary: `${runPrefix(runId)}finish.json`,
});

const scoreSchema = z.strictObject({
  value: z.number(),
  samples: z.number(),
  interval: z.tuple([z.number(), z.number()]),
});
const latencySchema = z.strictObject({
  ratio: z.number(),
  noise: z.number(),
  referenceMs: z.number(),
  candidateMs: z.number(),
});

/** What only the finish job knows of the result. */
const candidateSchema = z.strictObject({
  trial: z.number(),
  validation: scoreSchema.optional(),
  latency: latencySchema,
  modelBytes: z.number(),
  integerKernels: z.strictObject({
    quantized: z.number(),
    integer: z.number(),
    unfused: z.array(z.strictObject({ name: z.string(), type: z.string(), reason: z.string() })),
  }),
  /** The classes of processors on which no product can saturate. */
  exactOn: z.array(z.enum(PROCESSOR_CLASSES)).optional(),
  /** Of the base and of the model that is written. */
  exactness: z
    .strictObject({
      decibels: z.number(),
      batches: z.number(),
      products: z.array(z.strictObject({ name: z.string(), type: z.string(), decibels: z.number() })),
    })
    .optional(),
});

export const finishSummarySchema = z.strictObject({
  floatValidation: scoreSchema.optional(),
  /** The base configuration, then the candidates, best first. */
  base: candidateSchema,
  candidates: z.array(candidateSchema),
});

export type FinishSummary = z.infer<typeof finishSummarySchema>;

type Finished = Extract<FinishReported["outcome"], { state: "complete" }>;

/**
 * Ends a run: scores the best few candidates on the validation samples, measures their latency, and writes the first
 * of them, which the objective chose, as the model.
 */
export async function finishRun(
  job: FinishJob,
  evaluator: Evaluator,
  workload: Workload,
  store: ObjectStore,
  properties: Readonly<Record<string, string>>,
): Promise<Finished> {
  // Interrupted before the base had been scored: there may be no statistics yet, and there is nothing to write.
  if (job.candidates.length === 0) return { state: "complete", best: null, validation: [], objects: [] };
  const keys = finishKeys(job.runId);
  const objects: Finished["objects"] = [];
  const put = async (key: string, body: Uint8Array): Promise<void> => {
    await store.put(key, body);
    objects.push({ key, bytes: body.byteLength, sha256: contentHash(body) });
  };
  const examine = async (
    trial: number,
    configuration: Configuration,
    write: boolean,
  ): Promise<FinishSummary["base"]> => {
    const candidate = await evaluator.quantize(configuration);
    const exactOn = exactClasses(workload.subject.layout, candidate.plan);
    const files = encodeFiles(
      withProperties(candidate.model, { ...properties, ...portabilityProperties(exactOn) }),
      workload.subject.prepared.external,
    );
    if (write && files.data !== undefined) await put(keys.externalData, files.data);
    if (write) await put(keys.model, files.model);
    const scored = await validation(evaluator, workload, candidate);
    return {
      trial,
      ...(scored === undefined ? {} : { validation: scored }),
      latency: await evaluator.latency(candidate),
      modelBytes: files.model.byteLength + (files.data?.byteLength ?? 0),
      integerKernels: await integerKernels(candidate, workload),
      exactOn,
      ...(write || trial === BASE_TRIAL ? { exactness: await exactness(candidate, workload) } : {}),
    };
  };
  const floatValidation = await validation(evaluator, workload, undefined);
  const candidates: FinishSummary["base"][] = [];
  for (const [rank, { trial, configuration }] of job.candidates.entries()) {
    candidates.push(await examine(trial, configuration, rank === 0));
  }
  const base =
    candidates.find(({ trial }) => trial === BASE_TRIAL) ?? (await examine(BASE_TRIAL, job.base, false));
  const summary: FinishSummary = {
    ...(floatValidation === undefined ? {} : { floatValidation }),
    base,
    candidates,
  };
  await put(keys.summary, Buffer.from(JSON.stringify(summary)));
  return {
    state: "complete",
    best: job.candidates[0]?.trial ?? null,
    validation: summary.candidates.flatMap(({ trial, validation: scored }) =>
      scored === undefined ? [] : [{ trial, value: scored.value }],
    ),
    objects,
  };
}

async function validation(
  evaluator: Evaluator,
  { metric }: Workload,
  candidate: QuantizedModel | undefined,
): Promise<z.infer<typeof scoreSchema> | undefined> {
  const scores = await evaluator.validate(candidate);
  if (scores === undefined) return undefined;
  const [low, high] = metric.interval(scores.rows);
  return { value: metric.aggregate(scores.rows), samples: scores.samples, interval: [low, high] };
}

async function exactness(candidate: QuantizedModel, { calibrationBatches, session }: Workload) {
  const { decibels, batches, products } = await measureExactness(
    candidate.model,
    calibrationBatches,
    session,
  );
  return {
    decibels,
    batches,
    products: products.map(({ name, type, decibels: of }) => ({ name, type, decibels: of })),
  };
}

async function integerKernels(candidate: QuantizedModel, { subject, session }: Workload) {
  const { quantized, integer, unfused } = await findIntegerKernels(
    candidate.model,
    subject.layout,
    candidate.plan,
    session,
  );
  return { quantized, integer, unfused: [...unfused] };
}

/** The model's files: tensors that came from external data go there again. */
export function encodeFiles(
  model: Model,
  external: boolean,
): { readonly model: Uint8Array; readonly data: Uint8Array | undefined } {
  if (!external) return { model: encodeModel(model), data: undefined };
  const initializer = model.graph.initializer.map((tensor) => edited(tensor, {}));
  const copy = edited(model, { graph: edited(model.graph, { initializer }) });
  const pieces = externalizeData(copy, EXTERNAL_DATA_FILE);
  return { model: encodeModel(copy), data: Buffer.concat(pieces) };
}

/** Beside `model.onnx`. */
const EXTERNAL_DATA_FILE = "model.onnx.data";

/** What a model's metadata say of the processors on which it computes the same integers. */
export function portabilityProperties(exactOn: readonly ProcessorClass[]): Record<string, string> {
  return {
    "quantfleet.portable": String(isPortable(exactOn)),
    "quantfleet.exact_on": exactOn.join(","),
  };
}

/** The model with entries added to its metadata, over earlier ones of the same keys. */
export function withProperties(model: Model, properties: Readonly<Record<string, string>>): Model {
  const kept = model.metadataProps.filter(({ key }) => !(key in properties));
  const added = Object.entries(properties).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  return edited(model, { metadataProps: [...kept, ...added] });
}
