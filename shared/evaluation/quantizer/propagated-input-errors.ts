import {
  type AdjustmentTables,
  adjustingAlgorithms,
  settingsByKey,
} from "../../quantization/algorithms/algorithm.js";
import {
  type CorrectedProduct,
  correctedModel,
  propagationSamples,
} from "../../quantization/algorithms/bias-correction.js";
import { type InputErrors, inputErrorKey } from "../../quantization/algorithms/carried-errors.js";
import type { ConstantProduct } from "../../quantization/graph/constant-products.js";
import { inputMeans } from "../../quantization/graph/input-means.js";
import type { QuantizationPlan } from "../../quantization/space/plan.js";
import type { Configuration } from "../../search/space/space.js";
import { derivedKey } from "../../statistics/cache-key.js";
import { type CalibrationBatches, collectStatistics } from "../../statistics/collect.js";
import { statisticName } from "../../statistics/requirement.js";
import { keptStatistics } from "../../statistics/shard-store.js";
import { type StatisticsColumn, StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { sliceBatches } from "../model/calibration.js";
import type { Subject } from "../model/tunable-model.js";
import { Quantizer } from "./quantizer.js";

/**
 * Version of the stored input errors, a part of their key: raised when ops are rounded or corrected
 * differently than before, so that earlier ones are not used.
 */
const REVISION = 2;

/** What the input errors of products are measured with. */
export interface Propagation {
  readonly subject: Subject;
  readonly statistics: StatisticsTable;
  readonly tables: AdjustmentTables;
  readonly batches: CalibrationBatches;
  /** Store key of the statistics: a hash of the model, the samples and what is gathered of them. */
  readonly statisticsKey: string;
  readonly store: ObjectStore;
}

/**
 * The mean errors of the inputs of the products (Conv, MatMul, Gemm) that BiasCorrection corrects, measured
 * op after op in topological order, with the ops before quantized as in `configuration` and corrected. Stored
 * under a hash of what they depend on.
 *
 * @returns `undefined` where no algorithm needs input errors
 */
export async function keptInputErrors(
  propagation: Propagation,
  configuration: Configuration,
): Promise<InputErrors | undefined> {
  const { subject, statistics, tables, statisticsKey, store } = propagation;
  const algorithms = adjustingAlgorithms(subject.settings.algorithms);
  if (algorithms.every(({ algorithm }) => algorithm.productsWithInputErrors === undefined)) return undefined;
  const { plan } = new Quantizer(subject, statistics, tables).plan(configuration);
  const products = algorithms.flatMap(
    ({ algorithm, settings }) => algorithm.productsWithInputErrors?.(subject, settings, plan.ops) ?? [],
  );
  const asked = [[...plan.ops], [...plan.weights], settingsByKey(algorithms), REVISION];
  const table = await keptStatistics(store, derivedKey(statisticsKey, "input-errors", asked), () =>
    propagate(propagation, plan, products),
  );
  return new Map(
    products.map((product) => {
      const errors = table.column(product.input, statisticName(inputMeans(product)));
      return [inputErrorKey(product), Float64Array.from(errors)];
    }),
  );
}

/**
 * Measures the mean input errors of the products.
 *
 * @returns a table of one row: the mean errors of the input terms of each product
 */
async function propagate(
  { subject, statistics, tables, batches }: Propagation,
  plan: QuantizationPlan,
  products: readonly ConstantProduct[],
): Promise<StatisticsTable> {
  const { prepared, view } = subject;
  const samples = sliceBatches(batches, 0, propagationSamples(batches.count));
  const columns: StatisticsColumn[] = [];
  const errors = new Map<string, Float64Array>();
  const quantizer = new Quantizer(subject, statistics, { ...tables, inputErrors: errors });
  const corrected: CorrectedProduct[] = [];
  for (const product of products) {
    const key = inputErrorKey(product);
    const statistic = inputMeans(product);
    if (!errors.has(key)) {
      const model = correctedModel(prepared.model, view, corrected);
      const found = await collectStatistics(model, new Map([[product.input, [statistic]]]), samples);
      const column = { tensor: product.input, statistic: statisticName(statistic) };
      const float = firstSamples(statistics, column, samples.count);
      const means = found.channels(product.input, statistic, "mean");
      columns.push({ ...column, width: means.length });
      const difference = means.map((mean, channel) => mean - float[channel]!);
      errors.set(key, difference);
    }
    corrected.push(quantizer.corrected(product, plan));
  }
  return StatisticsTable.ofRows(columns, [
    Float32Array.from([...errors.values()].flatMap((each) => [...each])),
  ]);
}

/**
 * Means of a statistic per channel over the first samples, on which input errors are measured: means over
 * other samples would differ by more than the errors.
 */
function firstSamples(
  table: StatisticsTable,
  { tensor, statistic }: StatisticsColumn,
  count: number,
): Float64Array {
  const values = table.column(tensor, statistic);
  const width = values.length / table.samples;
  return Float64Array.from({ length: width }, (_, channel) => {
    let sum = 0;
    for (let sample = 0; sample < count; sample++) sum += values[sample * width + channel]!;
    return sum / count;
  });
}
