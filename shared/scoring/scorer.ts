import type { InferenceSession } from "onnxruntime-node";
import { type Batch, makeBatches } from "./batching.js";
import type { Dataset } from "./data/dataset.js";
import type { LabelSlice } from "./data/labels.js";
import type { TensorValue } from "./data/tensor.js";
import type { ExclusiveGate } from "./exclusive-gate.js";
import { toFeeds } from "./feeds.js";
import type { Metric, ModelOutputs, Reference } from "./metrics/metric.js";

/** Float outputs that are kept for metrics that compare with them; beyond it they are computed anew each time. */
const KEPT_OUTPUT_BYTES = 512 * 1024 ** 2;

/** Batches that are kept from trial to trial; beyond it they are gathered anew each time. */
const KEPT_INPUT_BYTES = 256 * 1024 ** 2;

/** What a session is fed for a batch, and what its outputs are compared with. */
interface LoadedBatch {
  readonly feeds: InferenceSession.OnnxValueMapType;
  readonly labels: LabelSlice | undefined;
}

export interface ScorerOptions {
  readonly dataset: Dataset;
  readonly metric: Metric;
  readonly batchSize: number;
  /** Whether the model takes batches of `batchSize` only. */
  readonly fixedBatch: boolean;
  /** The samples to score, in the order in which they are scored and their rows are kept. */
  readonly order: readonly number[];
  /** Opens the float model, for metrics that compare with its outputs. */
  readonly openFloat: () => Promise<InferenceSession>;
  readonly gate?: ExclusiveGate;
}

/** What scoring gave, and the time that ONNX Runtime itself took of it. */
export interface Scores {
  /** `samples x metric.rowWidth`, in scoring order. */
  readonly rows: Float32Array;
  readonly samples: number;
  readonly inferenceSeconds: number;
}

/** Scores models on the same samples in the same order and the same batches, so that results compare exactly. */
export class Scorer {
  readonly #batches: readonly Batch[];
  readonly #loaded = new Map<number, LoadedBatch>();
  #loadedBytes = 0;
  readonly #floatOutputs = new Map<number, ModelOutputs>();
  #keptBytes = 0;
  #float: InferenceSession | undefined;

  constructor(private readonly options: ScorerOptions) {
    this.#batches = makeBatches(options.order, options.batchSize, options.fixedBatch);
  }

  get samples(): number {
    return this.options.order.length;
  }

  /**
   * @param enough asked after each batch with the rows so far; scoring stops early when it says so
   */
  async score(
    session: InferenceSession,
    signal?: AbortSignal,
    enough: (rows: Float32Array, samples: number) => boolean = () => false,
  ): Promise<Scores> {
    const { metric } = this.options;
    const rows = new Float32Array(this.samples * metric.rowWidth);
    let samples = 0;
    let inferenceSeconds = 0;
    for (const [index, batch] of this.#batches.entries()) {
      signal?.throwIfAborted();
      const loaded = this.#loaded.get(index) ?? (await this.#load(index, batch));
      const start = performance.now();
      const outputs = await this.#run(session, loaded.feeds);
      inferenceSeconds += (performance.now() - start) / 1000;
      const reference = await this.#reference(index, batch, loaded);
      const scored = metric.score(counted(outputs, batch), reference);
      rows.set(scored, samples * metric.rowWidth);
      samples += batch.counted;
      if (enough(rows.subarray(0, samples * metric.rowWidth), samples)) break;
    }
    return { rows: rows.subarray(0, samples * metric.rowWidth), samples, inferenceSeconds };
  }

  async release(): Promise<void> {
    await this.#float?.release();
  }

  #run(
    session: InferenceSession,
    feeds: InferenceSession.OnnxValueMapType,
  ): Promise<InferenceSession.OnnxValueMapType> {
    const { gate } = this.options;
    return gate === undefined ? session.run(feeds) : gate.shared(() => session.run(feeds));
  }

  async #load(index: number, batch: Batch): Promise<LoadedBatch> {
    const { dataset } = this.options;
    const inputs = await dataset.batch(batch.samples);
    const labels = dataset.labels(batch.samples.slice(0, batch.counted));
    const loaded = { feeds: toFeeds(inputs), labels };
    const bytes = Object.values(inputs).reduce((sum, { data }) => sum + data.byteLength, 0);
    if (this.#loadedBytes + bytes <= KEPT_INPUT_BYTES) {
      this.#loadedBytes += bytes;
      this.#loaded.set(index, loaded);
    }
    return loaded;
  }

  async #reference(index: number, batch: Batch, { feeds, labels }: LoadedBatch): Promise<Reference> {
    if (this.options.metric.needs === "labels") return { kind: "labels", labels: labels! };
    const known = this.#floatOutputs.get(index);
    if (known !== undefined) return { kind: "float outputs", outputs: known };
    this.#float ??= await this.options.openFloat();
    const outputs = counted(await this.#run(this.#float, feeds), batch);
    const bytes = Object.values(outputs).reduce((sum, { data }) => sum + data.byteLength, 0);
    if (this.#keptBytes + bytes <= KEPT_OUTPUT_BYTES) {
      this.#keptBytes += bytes;
      this.#floatOutputs.set(index, outputs);
    }
    return { kind: "float outputs", outputs };
  }
}

/** The outputs of the samples that count. */
function counted(outputs: InferenceSession.OnnxValueMapType, batch: Batch): ModelOutputs {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, output]) => {
      const { type, dims, data } = output as unknown as TensorValue;
      if (batch.counted === batch.samples.length) return [name, { type, dims, data }];
      const each = data.length / (dims[0] ?? 1);
      const kept = data.subarray(0, batch.counted * each) as TensorValue["data"];
      return [name, { type, dims: [batch.counted, ...dims.slice(1)], data: kept }];
    }),
  );
}
