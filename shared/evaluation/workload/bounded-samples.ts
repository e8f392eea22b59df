import { create } from "@bufbuild/protobuf";
import {
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { DataError } from "../../basics/errors.js";
import type { Dataset } from "../../data/dataset.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { DataType } from "../../onnx/model/tensor.js";
import type { InputBatch } from "../../runtime/input-batch.js";
import type { TensorValue } from "../../runtime/tensor.js";
import { MemoryLimitError, requireBoundedTensors } from "../model/bounded-model.js";
import { ELEMENT_TYPES, growingSizes } from "../model/constant-region.js";
import type { Workload } from "./workload.js";

export interface BoundedSamples {
  readonly dataset: Dataset;
  /** Indexes of the samples that the model is run on. */
  readonly used: readonly number[];
  /** Samples per inference, unless the model fixes their number. */
  readonly batchSize: number;
}

/**
 * Checks the memory that the tensors of an inference need for these samples. Tensor sizes follow from the
 * shapes of the samples, which are all alike, and from input values that a size is computed from, such as a
 * length that a ConstantOfShape is given. For such inputs the first sample and those with the smallest and
 * the largest values are checked. Sizes that follow from control flow, or from values that the model computes
 * from its weights and samples together, are not known before it is run.
 *
 * @param origin how errors name the model
 * @throws {DataError} when the tensors need more than the memory limit
 */
export async function requireBoundedSamples(
  model: Model,
  { dataset, used, batchSize }: BoundedSamples,
  origin: string,
): Promise<void> {
  const [first] = used;
  if (first === undefined) return;
  const counted = sizeInputs(model);
  const samples = new Set([first, ...(counted.size === 0 ? [] : dataset.extremes(used))]);
  const count = dataset.fixedBatch ?? Math.min(batchSize, used.length);
  for (const sample of samples) {
    const batch = await dataset.batch(Array.from({ length: count }, () => sample));
    const together = count === 1 ? "" : `, ${count} samples at a time (engine.batch_size),`;
    await requireBoundedBatch(
      withBatch(model, batch, counted),
      `${dataset.locate([sample])}${together} in ${origin}`,
    );
  }
}

/**
 * Checks the memory that an inference needs on each data section of a workload (calibration, evaluation,
 * validation).
 *
 * @throws {DataError} when it is more than the memory limit
 */
export async function requireBoundedWorkload(workload: Workload): Promise<void> {
  const { subject, modelPath, calibration, calibrated, evaluation, order, validation, batchSize } = workload;
  const { model } = subject.prepared;
  const validated = Array.from({ length: validation?.samples ?? 0 }, (_, sample) => sample);
  await requireBoundedSamples(model, { dataset: calibration, used: calibrated, batchSize: 1 }, modelPath);
  await requireBoundedSamples(model, { dataset: evaluation, used: order, batchSize }, modelPath);
  if (validation !== undefined)
    await requireBoundedSamples(model, { dataset: validation, used: validated, batchSize }, modelPath);
}

async function requireBoundedBatch(model: Model, origin: string): Promise<void> {
  try {
    await requireBoundedTensors(model, origin);
  } catch (cause) {
    if (cause instanceof MemoryLimitError) throw new DataError(cause.message, { cause });
    // Other errors are ignored here: samples that do not fit the model are reported when it is run on them.
  }
}

/** Names of the model's inputs whose values a tensor size is computed from. */
function sizeInputs(model: Model): ReadonlySet<string> {
  const { graph } = model;
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const inputs = new Set(graph.input.map(({ name }) => name));
  for (const { name } of graph.initializer) inputs.delete(name);
  const found = new Set<string>();
  const seen = new Set<string>();
  const open = [...growingSizes(model)];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === "" || seen.has(name)) continue;
    seen.add(name);
    if (inputs.has(name)) found.add(name);
    const producer = producers.get(name);
    if (producer === undefined || producer.opType === "Shape" || producer.opType === "Size") continue;
    open.push(...producer.input);
  }
  return found;
}

/**
 * The model for one batch: its inputs have the batch's shapes, and the inputs in `counted`, which sizes are
 * computed from, become constants with the batch's values.
 */
function withBatch(model: Model, batch: InputBatch, counted: ReadonlySet<string>): Model {
  const { graph } = model;
  const constants = Object.entries(batch).flatMap(([name, value]) =>
    counted.has(name) ? [constantOf(name, value)] : [],
  );
  return edited(model, {
    graph: edited(graph, {
      input: graph.input
        .filter(({ name }) => !counted.has(name))
        .map((info) => {
          const value = batch[info.name];
          return value === undefined ? info : withShape(info, value.dims);
        }),
      initializer: [...graph.initializer, ...constants],
      // The declared shapes of outputs and of other tensors may be those of another batch.
      output: graph.output.map(({ name }) => create(ValueInfoProtoSchema, { name })),
      valueInfo: [],
    }),
  });
}

function constantOf(name: string, { type, dims, data }: TensorValue): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: ELEMENT_TYPES[type] ?? DataType.UNDEFINED,
    dims: dims.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

function withShape(info: ValueInfoProto, dims: readonly number[]): ValueInfoProto {
  const { type } = info;
  if (type?.value.case !== "tensorType") return info;
  const dim = dims.map((length) =>
    create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: BigInt(length) } }),
  );
  const shape = create(TensorShapeProtoSchema, { dim });
  return edited(info, {
    type: edited(type, { value: { case: "tensorType", value: edited(type.value.value, { shape }) } }),
  });
}
