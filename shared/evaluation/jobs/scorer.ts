import type { InferenceSession } from "onnxruntime-node";
import { DataError } from "../../basics/errors.js";
import type { Dataset } from "../../data/dataset.js";
import type { LabelSlice } from "../../data/labels.js";
import type { Metric, ModelOutputs, Reference } from "../../metrics/metric.js";
import { shapeOf } from "../../metrics/output.js";
import { UnscorableSampleError } from "../../metrics/unscorable.js";
import type { ExclusiveGate } from "../../runtime/exclusive-gate.js";
import type { InputBatch } from "../../runtime/input-batch.js";
import { runSamples } from "../../runtime/run-samples.js";
import { type Batch, makeBatches } from "../model/batching.js";
import {
  axesOfAnyBatch,
  axesOfFixedBatch,
  axesOfOneSample,
  type SampleAxes,
  samplesFirst,
} from "../workload/sample-axis.js";

/**
 * Maximum size in bytes of the float model's outputs kept in memory, for metrics that compare with them;
 * further outputs are computed anew for each trial.
 */
const KEPT_OUTPUT_BYTES = 512 * 1024 ** 2;

/**
 * Maximum size in bytes of input batches kept in memory from trial to trial; further ones are loaded anew for
 * each trial.
 */
const KEPT_INPUT_BYTES = 256 * 1024 ** 2;

/** The inputs of a batch, and the labels that its outputs are compared with. */
interface LoadedBatch {
  readonly inputs: InputBatch;
  readonly labels: LabelSlice | undefined;
}

export interface ScorerOptions {
  readonly dataset: Dataset;
  readonly metric: Metric;
  /** Samples per inference, unless the model fixes them or its outputs have no axis of samples. */
  readonly batchSize: number;
  /**
   * The indexes of the samples to score, in the order in which they are scored and their rows (per-sample
   * scores) returned.
   */
  readonly order: readonly number[];
  /** Opens the float model, for metrics that compare with its outputs. */
  readonly openFloat: () => Promise<InferenceSession>;
  readonly gate?: ExclusiveGate;
}

/** The result of scoring a model, and the time that ONNX Runtime took for it. */
export interface Scores {
  /** Rows (per-sample scores) in scoring order: `samples x metric.rowWidth` values. */
  readonly rows: Float32Array;
  readonly samples: number;
  readonly inferenceSeconds: number;
}

/**
 * One batch as the metric saw it: the outputs, what they are compared with, and the rows that it returned.
 */
export interface Scored {
  readonly outputs: ModelOutputs;
  readonly reference: Reference;
  readonly rows: Float32Array;
}

/**
 * How samples are grouped into batches, and which axis of each output counts them: the same for the float
 * model and all quantized models.
 */
interface Arrangement {
  readonly batches: readonly Batch[];
  readonly axes: SampleAxes;
}

/** Scores models on the same samples in the same order and the same batches, so that results compare exactly. */
export class Scorer {
  #arrangement: Promise<Arrangement> | undefined;
  readonly #loaded = new Map<number, LoadedBatch>();
  #loadedBytes = 0;
  readonly #floatOutputs = new Map<number, ModelOutputs>();
  #keptBytes = 0;
  #float: InferenceSession | undefined;

  constructor(private readonly options: ScorerOptions) {}

  get samples(): number {
    return this.options.order.length;
  }

  /**
   * Runs the session's model on the samples and scores its outputs.
   *
   * @param enough called after each batch with the rows (per-sample scores) so far; scoring stops when it
   * returns true
   * @param seen called with each scored batch
   */
  async score(
    session: InferenceSession,
    signal?: AbortSignal,
    enough: (rows: Float32Array, samples: number) => boolean = () => false,
    seen: (batch: Scored) => void = () => undefined,
  ): Promise<Scores> {
    const { metric } = this.options;
    const rows = new Float32Array(this.samples * metric.rowWidth);
    let samples = 0;
    let inferenceSeconds = 0;
    const { batches, axes } = await this.#arranged(session);
    for (const [index, batch] of batches.entries()) {
      signal?.throwIfAborted();
      const loaded = this.#loaded.get(index) ?? (await this.#load(index, batch));
      const start = performance.now();
      const outputs = await this.#runBatch(session, loaded.inputs, batch);
      inferenceSeconds += (performance.now() - start) / 1000;
      const reference = await this.#reference(index, batch, loaded, axes);
      const counted = samplesFirst(outputs, axes, batch.counted);
      const scored = this.#scoreBatch(counted, reference, batch);
      requireRows(metric, scored, batch.counted, outputs);
      rows.set(scored, samples * metric.rowWidth);
      seen({ outputs: counted, reference, rows: scored });
      samples += batch.counted;
      if (enough(rows.subarray(0, samples * metric.rowWidth), samples)) break;
    }
    return { rows: rows.subarray(0, samples * metric.rowWidth), samples, inferenceSeconds };
  }

  async release(): Promise<void> {
    await this.#float?.release();
  }

  /**
   * Scores the samples, and runs the model on the extreme ones of `others`, such as the longest, which are the most
   * likely to fail.
   *
   * @returns the scored batches
   * @throws DataError when outputs and metric do not go together, or the model cannot be run on a sample
   */
  async check(session: InferenceSession, others: readonly number[]): Promise<readonly Scored[]> {
    const batches: Scored[] = [];
    await this.score(session, undefined, undefined, (batch) => batches.push(batch));
    for (const sample of this.options.dataset.extremes(others)) await this.#runSample(session, sample);
    return batches;
  }

  #arranged(session: InferenceSession): Promise<Arrangement> {
    this.#arrangement ??= this.#arrange(session).catch((error: unknown) => {
      this.#arrangement = undefined;
      throw error;
    });
    return this.#arrangement;
  }

  /**
   * Decides, by running the model on a few samples, how samples are grouped into batches. Where outputs have
   * no axis of samples, samples are run one at a time.
   */
  async #arrange(session: InferenceSession): Promise<Arrangement> {
    const { dataset, batchSize, order, metric } = this.options;
    const { fixedBatch } = dataset;
    const [first = 0, second = first] = order;
    const scored = (axes: SampleAxes): readonly string[] =>
      metric.output === undefined ? [...axes.keys()] : [metric.output];
    const one = await this.#runSample(session, first);
    if (fixedBatch === undefined) {
      const two = await this.#run(session, [first, second]).catch(() => undefined);
      const axes = axesOfAnyBatch(one, two);
      if (batchSize > 1 && scored(axes).every((name) => !axes.has(name) || axes.get(name) !== undefined))
        return { batches: makeBatches(order, batchSize, false), axes };
    } else if (fixedBatch > 1) {
      const others = [first, ...Array.from({ length: fixedBatch - 1 }, () => second)];
      const axes = axesOfFixedBatch(one, await this.#run(session, others), fixedBatch);
      const lacking = scored(axes).find((name) => axes.has(name) && axes.get(name) === undefined);
      if (lacking === undefined) return { batches: makeBatches(order, fixedBatch, true), axes };
      throw new DataError(
        `the model's output ${JSON.stringify(lacking)} has shape ${shapeOf(one[lacking]!.dims)} for a batch of ${fixedBatch} samples, so that its rows cannot be told to belong to samples; choose an output with an axis of samples with engine.metric.output, or export the model with a batch of 1.`,
      );
    }
    return { batches: makeBatches(order, 1, false), axes: axesOfOneSample(one) };
  }

  /**
   * The model's outputs for one sample, which is repeated to fill the batch where the model has a fixed batch
   * size.
   */
  #runSample(session: InferenceSession, sample: number): Promise<ModelOutputs> {
    return this.#run(
      session,
      Array.from({ length: this.options.dataset.fixedBatch ?? 1 }, () => sample),
    );
  }

  async #run(session: InferenceSession, samples: readonly number[]): Promise<ModelOutputs> {
    const { dataset } = this.options;
    return this.#gated(session, await dataset.batch(samples), samples);
  }

  /**
   * Runs the model on a batch; if that fails, the error names the first of its samples that fails by itself.
   */
  async #runBatch(session: InferenceSession, inputs: InputBatch, { samples }: Batch): Promise<ModelOutputs> {
    try {
      return await this.#gated(session, inputs, samples);
    } catch (error) {
      if (samples.length > 1) for (const sample of samples) await this.#runSample(session, sample);
      throw error;
    }
  }

  /** Scores the outputs of a batch; the error for a sample that cannot be scored names its file and row. */
  #scoreBatch(outputs: ModelOutputs, reference: Reference, { samples }: Batch): Float32Array {
    try {
      return this.options.metric.score(outputs, reference);
    } catch (cause) {
      if (!(cause instanceof UnscorableSampleError)) throw cause;
      const place = this.options.dataset.locate([samples[cause.sample]!]);
      throw new UnscorableSampleError(`${place}: ${cause.message}`, cause.sample);
    }
  }

  async #gated(
    session: InferenceSession,
    inputs: InputBatch,
    samples: readonly number[],
  ): Promise<ModelOutputs> {
    const { gate, dataset } = this.options;
    const run = () => runSamples(session, inputs, () => dataset.locate(samples));
    const outputs = await (gate === undefined ? run() : gate.shared(run));
    return outputs as unknown as ModelOutputs;
  }

  /**
   * Checks that the float model has the output that the metric scores, as the scored model may have been
   * exported with other names.
   */
  #requireOutput(given: ModelOutputs): void {
    const { output, name } = this.options.metric;
    if (output === undefined || given[output] !== undefined) return;
    throw new DataError(
      `the float model (model.model) has no output ${JSON.stringify(output)}, which metric ${name} compares with; its outputs are ${Object.keys(given).join(", ")}, so give a model whose outputs have the same names, or choose one that both have with engine.metric.output.`,
    );
  }

  async #load(index: number, batch: Batch): Promise<LoadedBatch> {
    const { dataset } = this.options;
    const inputs = await dataset.batch(batch.samples);
    const labels = dataset.labels(batch.samples.slice(0, batch.counted));
    const loaded = { inputs, labels };
    const bytes = Object.values(inputs).reduce((sum, { data }) => sum + data.byteLength, 0);
    if (this.#loadedBytes + bytes <= KEPT_INPUT_BYTES) {
      this.#loadedBytes += bytes;
      this.#loaded.set(index, loaded);
    }
    return loaded;
  }

  async #reference(
    index: number,
    batch: Batch,
    { inputs, labels }: LoadedBatch,
    axes: SampleAxes,
  ): Promise<Reference> {
    if (this.options.metric.needs === "labels") return { kind: "labels", labels: labels! };
    const known = this.#floatOutputs.get(index);
    if (known !== undefined) return { kind: "float outputs", outputs: known };
    this.#float ??= await this.options.openFloat();
    const given = await this.#runBatch(this.#float, inputs, batch);
    this.#requireOutput(given);
    const outputs = samplesFirst(given, axes, batch.counted);
    const bytes = Object.values(outputs).reduce((sum, { data }) => sum + data.byteLength, 0);
    if (this.#keptBytes + bytes <= KEPT_OUTPUT_BYTES) {
      this.#keptBytes += bytes;
      this.#floatOutputs.set(index, outputs);
    }
    return { kind: "float outputs", outputs };
  }
}

/** Checks that the metric returned one row (of `rowWidth` values) per sample. */
function requireRows(metric: Metric, rows: Float32Array, samples: number, outputs: ModelOutputs): void {
  if (rows.length === samples * metric.rowWidth) return;
  const name = metric.output ?? Object.keys(outputs)[0] ?? "";
  const shape = outputs[name] === undefined ? "" : ` of shape ${shapeOf(outputs[name].dims)}`;
  throw new DataError(
    `metric ${metric.name} gave ${rows.length / metric.rowWidth} rows for ${samples} samples from the model's output ${JSON.stringify(name)}${shape}; choose an output that holds one result a sample with engine.metric.output.`,
  );
}
