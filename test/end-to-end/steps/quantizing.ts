import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { QuantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import { openSubject, type Subject } from "../../../shared/evaluation/model/tunable-model.js";
import { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import { encodeModel, type Model } from "../../../shared/onnx/model/codec.js";
import { forProcessor, type Hardware } from "../../../shared/quantization/device/hardware.js";
import { scoringSession } from "../../../shared/quantization/device/scoring-session.js";
import { toFeeds } from "../../../shared/runtime/feeds.js";
import type { InputBatch } from "../../../shared/runtime/input-batch.js";
import { processorClass } from "../../../shared/runtime/processor-probe.js";
import { type OptimizationLevel, openSession, type PortInfo } from "../../../shared/runtime/session.js";
import type { TensorValue } from "../../../shared/runtime/tensor.js";
import type { Choice, Configuration } from "../../../shared/search/space/space.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import type { ModelFixture } from "../../fixtures/models/model-fixture.js";
import { RandomValues } from "../../fixtures/models/random-values.js";

const CALIBRATION_BATCHES = 8;
const DYNAMIC_BATCH = 3;

/** A fixture with its prepared float model and statistics. */
export interface ReadyFixture {
  readonly fixture: ModelFixture;
  readonly float: Model;
  readonly subject: Subject;
  readonly quantizer: Quantizer;
  /** One of the calibration batches. */
  readonly batch: InputBatch;
}

/**
 * Prepares a fixture as `quantize` does before it chooses a configuration, with all tuning scopes except
 * bits.
 * @param settings that differ from the default
 */
export async function readyFixture(
  fixture: ModelFixture,
  settings: Partial<QuantizationSettings> = {},
): Promise<ReadyFixture> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-fixture-"));
  try {
    const path = join(folder, "model.onnx");
    const float = fixture.build();
    await writeFile(path, encodeModel(float));
    const subject = await openSubject(path, {
      targetDevice: forProcessor("CPU", await processorClass()),
      options: {
        preset: "performance",
        tuningScope: new Set(["mode", "granularity", "layer", "range_estimator"]),
        estimatorScope: new Set(["preset", "aggregator", "outlier_prob"]),
        outlierProbChoices: [1e-2, 1e-3],
        weights: {},
        activations: {},
      },
      ignored: {},
      saturationFix: "auto",
      sampling: { size: undefined, shuffle: false, seed: 0 },
      algorithms: [],
      tunedAlgorithms: [],
      ...settings,
    });
    const { prepared } = subject;
    const batch = prepared.inputs[0]?.shape[0];
    const size = typeof batch === "number" && batch > 0 ? batch : DYNAMIC_BATCH;
    const batches = Array.from({ length: CALIBRATION_BATCHES }, (_, i) =>
      makeBatch(prepared.inputs, fixture, size, 100 + i),
    );
    const calibration = { count: batches.length, batch: (i: number) => batches[i]! };
    const statistics = await collectStatistics(prepared.model, subject.statistics, calibration);
    return {
      fixture,
      float,
      subject,
      quantizer: new Quantizer(subject, statistics),
      batch: batches[0]!,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export type Outputs = ReadonlyMap<string, Float64Array>;

/**
 * Runs a model in a new session, and returns its outputs as numbers, for any element type.
 *
 * @param hardware whose arithmetic is wanted, when the model was not quantized for this machine
 */
export async function runModel(
  model: Model,
  level: OptimizationLevel,
  batch: InputBatch,
  hardware?: Hardware,
): Promise<Outputs> {
  const settings = { graphOptimizationLevel: level, intraOpNumThreads: 1 };
  const session = await openSession(
    encodeModel(model),
    hardware === undefined ? settings : scoringSession(settings, hardware, await processorClass()),
  );
  try {
    const fed = Object.fromEntries(
      session.inputNames.flatMap((name) => (batch[name] === undefined ? [] : [[name, batch[name]]])),
    );
    const outputs = await session.run(toFeeds(fed));
    return new Map(
      Object.entries(outputs).map(([name, { data }]) => [
        name,
        Float64Array.from(data as Iterable<number | bigint>, Number),
      ]),
    );
  } finally {
    await session.release();
  }
}

/** Signal-to-noise ratio in decibels of the worst output; infinite when all outputs are equal. */
export function worstSqnr(reference: Outputs, outputs: Outputs): number {
  return Math.min(
    ...[...reference].map(([name, expected]) => {
      const found = outputs.get(name);
      if (found?.length !== expected.length) return Number.NEGATIVE_INFINITY;
      let [signal, noise] = [0, 0];
      expected.forEach((value, i) => {
        signal += value ** 2;
        noise += (value - found[i]!) ** 2;
      });
      return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
    }),
  );
}

/** The preset configuration with ranges that include every calibration sample, so that nothing saturates. */
export function widestConfiguration({ space }: Subject): Configuration {
  const widest = space.parameters.flatMap(({ name, choices }) => {
    const end = name.match(/\/(min|max)\.aggregator$/)?.[1];
    return name in space.base && end !== undefined && choices.includes(end) ? [[name, end] as const] : [];
  });
  return { ...space.base, ...Object.fromEntries(widest) };
}

/** Chooses a value for every active parameter, by the `draws` in turn. */
export function drawConfiguration({ space }: Subject, draws: readonly number[]): Configuration {
  const configuration: Record<string, Choice> = {};
  space.parameters.forEach(({ name, choices, when }, i) => {
    if (when !== undefined && !when.in.includes(configuration[when.parameter]!)) return;
    configuration[name] = choices[draws[i % draws.length]! % choices.length]!;
  });
  return configuration;
}

function makeBatch(
  inputs: readonly PortInfo[],
  fixture: ModelFixture,
  size: number,
  seed: number,
): InputBatch {
  const random = new RandomValues(seed);
  return Object.fromEntries(
    inputs.map(({ name, type, shape }) => {
      const dims = shape.map((length, axis) => {
        if (typeof length === "number") return length;
        return axis === 0 ? size : (fixture.sizes?.[length] ?? 4);
      });
      const count = dims.reduce((product, length) => product * length, 1);
      return [name, { type, dims, data: randomData(type, count, random, fixture) } as TensorValue];
    }),
  );
}

function randomData(
  type: string,
  count: number,
  random: RandomValues,
  { vocabulary = 8 }: ModelFixture,
): Float32Array | BigInt64Array {
  switch (type) {
    case "float32":
      return Float32Array.from({ length: count }, () => random.normal());
    case "int64":
      return BigInt64Array.from({ length: count }, () => BigInt(random.below(vocabulary)));
    default:
      throw new Error(`Fixtures have no inputs of type ${type}.`);
  }
}
