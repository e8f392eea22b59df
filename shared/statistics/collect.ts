import type { InferenceSession } from "onnxruntime-node";
import type { Model } from "../onnx/model/codec.js";
import { elementCount } from "../onnx/model/tensor.js";
import type { InputBatch } from "../runtime/input-batch.js";
import { runSamples } from "../runtime/run-samples.js";
import { DEFAULT_SESSION, openSession } from "../runtime/session.js";
import { addByChannel, type ChannelCounts, Histogram } from "./histogram.js";
import { type InstrumentedModel, instrument, shapeProbe } from "./instrument.js";
import { interpolated } from "./quantile.js";
import type { HistogramSource } from "./reduction-graph.js";
import { type HistogramStatistic, type StatisticsRequirement, statisticName } from "./requirement.js";
import { channelHistogramName, StatisticsTable, type TableHistogram } from "./table.js";

/** Batches of calibration samples; each gives one row of the statistics table. */
export interface CalibrationBatches {
  readonly count: number;
  batch(index: number): InputBatch | Promise<InputBatch>;
  /** Names a batch's samples in messages; the batch number is used when left out. */
  locate?(index: number): string;
}

/** Returns the name of a batch's samples in error messages. */
export function locateBatch(batches: CalibrationBatches, index: number): string {
  return batches.locate?.(index) ?? `calibration batch ${index}`;
}

/**
 * Collects statistics of activations in one pass over the calibration samples, for all range estimators at
 * once. One batch is in memory at a time; one row of reduced values is kept per batch, and histograms of fixed
 * size over all batches.
 */
export async function collectStatistics(
  model: Model,
  requirement: StatisticsRequirement,
  batches: CalibrationBatches,
  signal?: AbortSignal,
): Promise<StatisticsTable> {
  const shapes = await tensorShapes(model, [...requirement.keys()], await batches.batch(0), () =>
    locateBatch(batches, 0),
  );
  const instrumented = instrument(model, requirement, shapes);
  const session = await openSession(instrumented.model, DEFAULT_SESSION);
  try {
    const counters = instrumented.histograms.map((source) => counterOf(source, shapes.get(source.tensor)!));
    return await StatisticsTable.gather(
      instrumented.columns,
      batches.count,
      async (i) => {
        signal?.throwIfAborted();
        const outputs = await runSamples(session, await batches.batch(i), () => locateBatch(batches, i));
        for (const { output, add } of counters) add(outputs[output]!.data as Float32Array);
        return row(instrumented, outputs);
      },
      counters.flatMap(({ histograms }) => histograms),
    );
  } finally {
    await session.release();
  }
}

/** The shape of each tensor when the model runs on one batch. */
export async function tensorShapes(
  model: Model,
  tensors: readonly string[],
  batch: InputBatch,
  locate = () => "the first batch",
): Promise<Map<string, readonly number[]>> {
  const probe = shapeProbe(model, tensors);
  const session = await openSession(probe.model, DEFAULT_SESSION);
  try {
    const outputs = await runSamples(session, batch, locate);
    return new Map(
      tensors.map((tensor, i) => {
        const shape = outputs[probe.outputs[i]!]!.data as BigInt64Array;
        return [tensor, Array.from(shape, Number)];
      }),
    );
  } finally {
    await session.release();
  }
}

function row(
  { row: output, interpolations }: InstrumentedModel,
  outputs: InferenceSession.OnnxValueMapType,
): Float32Array {
  const values = outputs[output]!.data as Float32Array;
  return Float32Array.from(interpolations, ({ low, high, fraction }) =>
    interpolated(values[low]!, values[high]!, fraction),
  );
}

/** Adds a tensor's values, which the model returns as `output`, to histograms, batch by batch. */
interface Counter {
  readonly output: string;
  readonly histograms: readonly TableHistogram[];
  add(values: Float32Array): void;
}

/** @param shape of the tensor for one batch */
function counterOf({ tensor, statistic, output }: HistogramSource, shape: readonly number[]): Counter {
  const name = statisticName(statistic);
  if (statistic.type === "channel_histogram") {
    const channels = Array.from({ length: shape[statistic.axis]! }, () => new Histogram());
    const inner = elementCount(shape.slice(statistic.axis + 1));
    return {
      output,
      histograms: channels.map((histogram, c) => ({
        tensor,
        statistic: channelHistogramName(name, c),
        histogram,
      })),
      add: (values) => addByChannel(channels, values, inner),
    };
  }
  const histogram = new Histogram();
  const counts = channelCounts(statistic, shape);
  return {
    output,
    histograms: [{ tensor, statistic: name, histogram }],
    add: (values) => histogram.add(values, counts),
  };
}

/**
 * The weights with which a histogram counts a tensor's values, by channel; `undefined` where every value counts
 * once, also when the channel axis does not match.
 *
 * @param shape of the tensor for one batch
 */
function channelCounts(statistic: HistogramStatistic, shape: readonly number[]): ChannelCounts | undefined {
  if (statistic.type !== "output_histogram" || statistic.channels === undefined) return undefined;
  const { axis, weights } = statistic.channels;
  const channelAxis = axis === 1 ? 1 : shape.length - 1;
  if (shape[channelAxis] !== weights.length) return undefined;
  return { weights, inner: elementCount(shape.slice(channelAxis + 1)) };
}
