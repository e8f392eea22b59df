import { ConfigurationError } from "../basics/errors.js";
import type { ModelPort } from "../runtime/tensor.js";
import { bestClasses, classLabels, labelAmongBest, requireClassShape } from "./classes.js";
import { bootstrapInterval } from "./interval.js";
import { meanMetric } from "./mean-metric.js";
import { type Metric, relativeLoss } from "./metric.js";
import { floatOutputsOf, labelsOf, outputNamed, requireSameSamples } from "./output.js";

/** Fraction of samples whose label is among the `topK` highest-scored classes. */
export function accuracy(output: ModelPort, topK: number): Metric {
  const classes = requireClassShape(output);
  if (classes !== undefined && topK > classes) {
    throw new ConfigurationError(
      `engine.metric.top_k is ${topK}, but the model's output ${JSON.stringify(output.name)} has ${classes} classes; give at most ${classes}.`,
      "engine.metric.top_k",
    );
  }
  return meanMetric({
    name: "accuracy",
    direction: "maximize",
    needs: "labels",
    range: [0, 1],
    checkLabels: (labels, name) => void classLabels(labels, name, classes),
    score(outputs, reference) {
      const scores = outputNamed(outputs, output.name);
      const labels = classLabels(labelsOf(reference), "engine.evaluation.labels", classes);
      requireSameSamples(scores.dims[0] ?? 0, labels.length, output.name);
      return labelAmongBest(scores, output.name, labels, topK);
    },
  });
}

/** Fraction of samples for which the model's best class equals the float model's. */
export function agreement(output: ModelPort): Metric {
  requireClassShape(output);
  return meanMetric({
    name: "agreement",
    direction: "maximize",
    needs: "float outputs",
    range: [0, 1],
    checkLabels: () => {},
    score(outputs, reference) {
      const best = bestClasses(outputNamed(outputs, output.name), output.name);
      const expected = bestClasses(outputNamed(floatOutputsOf(reference), output.name), output.name);
      requireSameSamples(best.length, expected.length, output.name);
      return Float32Array.from(best, (found, sample) => (found === expected[sample] && found >= 0 ? 1 : 0));
    },
  });
}

/** Macro F1: the mean of `2 TP / (2 TP + FP + FN)` over the classes that occur as a label or a prediction. */
export function f1(output: ModelPort): Metric {
  const classes = requireClassShape(output);
  return {
    name: "f1",
    direction: "maximize",
    needs: "labels",
    /** Numbers in the row that is kept of each sample: its label and its predicted class. */
    rowWidth: 2,
    perSampleMean: false,
    range: undefined,
    checkLabels: (labels, name) => void classLabels(labels, name, classes),
    score(outputs, reference) {
      const best = bestClasses(outputNamed(outputs, output.name), output.name);
      const labels = classLabels(labelsOf(reference), "engine.evaluation.labels", classes);
      requireSameSamples(best.length, labels.length, output.name);
      const rows = new Float32Array(2 * labels.length);
      for (const [sample, label] of labels.entries()) rows.set([label, best[sample]!], 2 * sample);
      return rows;
    },
    aggregate: macroF1,
    interval: (rows) => bootstrapInterval(rows, 2, macroF1),
    loss: (floatValue, value) => relativeLoss("maximize", floatValue, value),
  };
}

function macroF1(rows: Float32Array): number {
  const counts = new Map<number, { hits: number; others: number }>();
  const countOf = (label: number) => {
    const count = counts.get(label) ?? { hits: 0, others: 0 };
    counts.set(label, count);
    return count;
  };
  for (let index = 0; index < rows.length; index += 2) {
    const label = rows[index]!;
    const predicted = rows[index + 1]!;
    if (label === predicted) {
      countOf(label).hits++;
      continue;
    }
    countOf(label).others++;
    // A prediction of -1 means NaN scores: a miss of the label, but a false positive of no class.
    if (predicted >= 0) countOf(predicted).others++;
  }
  const ordered = [...counts].sort(([a], [b]) => a - b).map(([, count]) => count);
  return (
    ordered.reduce((sum, { hits, others }) => sum + (2 * hits) / (2 * hits + others), 0) / ordered.length
  );
}
