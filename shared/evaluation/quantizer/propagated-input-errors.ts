import { createHash } from "node:crypto";
import {
  type CorrectedProduct,
  correctedModel,
  type InputErrors,
  inputErrorKey,
  propagationSamples,
} from "../../quantization/algorithms/bias-correction.js";
import { correctableOps } from "../../quantization/algorithms/fast-bias-correction.js";
import type { ConstantProduct } from "../../quantization/graph/constant-products.js";
import { inputMeans } from "../../quantization/graph/input-means.js";
import type { QuantizationPlan } from "../../quantization/space/plan.js";
import type { Configuration } from "../../search/space/space.js";
import { type CalibrationBatches, collectStatistics } from "../../statistics/collect.js";
import { statisticName } from "../../statistics/requirement.js";
import { readStatistics, writeStatisticsShard } from "../../statistics/shard-store.js";
import { StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { sliceBatches } from "../model/calibration.js";
import type { Subject } from "../model/tunable-model.js";
import { type CompanionTables, Quantizer } from "./quantizer.js";

const WHOLE = { index: 0, count: 1 };

/** Raised when earlier ops are rounded or corrected otherwise than before: what is kept follows from how they are. */
const REVISION = 2;

/** What errors are carried along by. */
export interface Propagation {
  readonly subject: Subject;
  readonly statistics: StatisticsTable;
  readonly tables: CompanionTables;
  readonly batches: CalibrationBatches;
  /** Names the model, the samples and what is gathered of them. */
  readonly statisticsKey: string;
  readonly store: ObjectStore;
}

/**
 * What BiasCorrection corrects by beside FastBiasCorrection's means: op after op in topological order, with those
 * before it quantized as in `configuration` and corrected (reference section 6.3). Kept by content.
 */
export async function keptInputErrors(
  propagation: Propagation,
  configuration: Configuration,
): Promise<InputErrors> {
  const { subject, statistics, tables, statisticsKey, store } = propagation;
  const { layout, view, settings } = subject;
  const { plan } = new Quantizer(subject, statistics, tables).plan(configuration);
  const correctable = correctableOps(layout, view, settings.biasCorrection!);
  const products = settings.biasCorrection?.everyNode
    ? correctable
    : correctable.filter(({ op }) => plan.ops.has(op.key));
  const { adaptiveRounding, weightBiasCorrection, biasCorrection } = settings;
  const asked = [
    [...plan.ops],
    [...plan.weights],
    { adaptiveRounding, weightBiasCorrection, biasCorrection },
    REVISION,
  ];
  const key = `${statisticsKey}/input-errors/${createHash("sha256").update(JSON.stringify(asked)).digest("hex")}`;
  let kept = await readStatistics(store, key, WHOLE.count);
  if (kept === undefined) {
    const found = await propagate(propagation, plan, products);
    await writeStatisticsShard(store, key, WHOLE, found);
    kept = (await readStatistics(store, key, WHOLE.count))!;
  }
  const table = kept;
  return new Map(
    products.map((product) => {
      const errors = table.column(product.input, statisticName(inputMeans(product)));
      return [inputErrorKey(product), Float64Array.from(errors)];
    }),
  );
}

/** @returns a table of one row: the errors of the means of what each product reads */
async function propagate(
  { subject, statistics, tables, batches }: Propagation,
  plan: QuantizationPlan,
  products: readonly ConstantProduct[],
): Promise<StatisticsTable> {
  const { prepared, view } = subject;
  const samples = sliceBatches(batches, 0, propagationSamples(batches.count));
  const errors = new Map<string, Float64Array>();
  const quantizer = new Quantizer(subject, statistics, { ...tables, inputErrors: errors });
  const corrected: CorrectedProduct[] = [];
  for (const product of products) {
    const key = inputErrorKey(product);
    const statistic = inputMeans(product);
    if (!errors.has(key)) {
      const model = correctedModel(prepared.model, view, corrected);
      const found = await collectStatistics(model, new Map([[product.input, [statistic]]]), samples);
      const float = firstSamples(statistics, product.input, statisticName(statistic), samples.count);
      const means = found.channels(product.input, statistic, "mean");
      errors.set(
        key,
        means.map((mean, channel) => mean - float[channel]!),
      );
    }
    corrected.push(quantizer.corrected(product, plan));
  }
  const columns = [
    ...new Map(
      products.map((product) => [
        inputErrorKey(product),
        { tensor: product.input, statistic: statisticName(inputMeans(product)) },
      ]),
    ),
  ];
  return StatisticsTable.ofRows(
    columns.map(([key, column]) => ({ ...column, width: errors.get(key)!.length })),
    [Float32Array.from(columns.flatMap(([key]) => [...errors.get(key)!]))],
  );
}

/** Means over the samples that errors are found with: those of others would pass for errors. */
function firstSamples(
  table: StatisticsTable,
  tensor: string,
  statistic: string,
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
