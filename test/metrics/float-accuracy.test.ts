import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { readConfiguration } from "../../shared/configuration/parse.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { loadDataset } from "../../shared/data/load-dataset.js";
import { createMetric } from "../../shared/metrics/create-metric.js";
import type { ModelOutputs } from "../../shared/metrics/metric.js";
import type { ModelPort, TensorValue } from "../../shared/runtime/tensor.js";

const MODELS = resolve("../shared/models");
const BATCH = 10;

function ports(metadata: readonly InferenceSession.ValueMetadata[]): ModelPort[] {
  return metadata.map((port) => ({
    name: port.name,
    type: port.isTensor ? port.type : "none",
    shape: port.isTensor ? port.shape : [],
  }));
}

/**
 * The float model's metric on the first `sections` of evaluation and validation, at the optimization level of
 * the published figures.
 */
async function floatValues(folder: string, sections: number): Promise<number[]> {
  const { configuration, directory } = await readConfiguration(join(MODELS, folder, "config.json"));
  requireSupported(configuration, "evaluate");
  const { engine, model } = configuration;
  const session = await InferenceSession.create(join(directory, model.model), {
    graphOptimizationLevel: "extended",
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const metric = await createMetric(engine.metric, {
    directory,
    outputs: ports(session.outputMetadata),
    labelled: true,
  });
  const values: number[] = [];
  for (const section of [engine.evaluation, engine.validation ?? engine.evaluation].slice(0, sections)) {
    const dataset = await loadDataset(section, {
      directory,
      inputs: ports(session.inputMetadata),
      path: "engine.evaluation",
    });
    const rows: number[] = [];
    for (let from = 0; from < dataset.samples; from += BATCH) {
      const samples = { from, to: Math.min(from + BATCH, dataset.samples) };
      const feeds = Object.entries(await dataset.batch(samples)).map(
        ([name, { type, data, dims }]) =>
          [name, new Tensor(type as Tensor.Type, data as Tensor.DataType, [...dims])] as const,
      );
      const outputs = (await session.run(Object.fromEntries(feeds))) as Record<
        string,
        unknown
      > as ModelOutputs;
      const labels = dataset.labels(samples);
      assert.ok(labels !== undefined);
      rows.push(
        ...metric.score(outputs satisfies Readonly<Record<string, TensorValue>>, { kind: "labels", labels }),
      );
    }
    values.push(metric.aggregate(Float32Array.from(rows)));
  }
  await session.release();
  return values;
}

// Figures in the README of the models; for ppocr-rec it states "about .97".
const STATED: readonly [folder: string, evaluation: number, validation?: number][] = [
  ["demo-mnist-dscnn", 0.978, 0.982],
  ["kws-dscnn-mlperf", 0.9, 0.925],
  ["text-trec", 0.872, 0.848],
  ["ppocr-rec", 146 / 150],
];
for (const [folder, ...values] of STATED) {
  const stated = values.filter((value) => value !== undefined);
  test(`the float model of ${folder} scores as stated`, async (t) => {
    if (!existsSync(join(MODELS, folder))) {
      t.skip(`left out: ../shared/models/${folder} is missing`);
      return;
    }
    const found = await floatValues(folder, stated.length);
    assert.deepEqual(
      found.map((value) => value.toFixed(6)),
      stated.map((value) => value.toFixed(6)),
    );
  });
}
