import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { quantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { requireSupported } from "../../../shared/configuration/supported.js";
import { loadDataset } from "../../../shared/data/load-dataset.js";
import { calibrationBatches, calibrationSamples } from "../../../shared/evaluation/model/calibration.js";
import { openSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { openQuantizer } from "../../../shared/evaluation/quantizer/open-quantizer.js";
import type { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import { encodeModel } from "../../../shared/onnx/model/codec.js";
import { createRandomSampler } from "../../../shared/search/samplers/random-sampler.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { loadConfiguration } from "../../api/configuration.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:bias-correction -- [--models a,b]`: what BiasCorrection loses in trials because, when it measures
 * an op's error, earlier ops are quantized as in the base configuration instead of as in the trial. Prints the
 * outputs' signal-to-noise ratio against the float model on the evaluation samples, averaged over random
 * configurations (weights of 4 and 8 bits, layers in float), and the processor time for computing the errors of
 * one configuration.
 */
const { values } = parseArgs({ options: { models: { type: "string" } } });

const MODELS = ["kws-dscnn-mlperf", "dscnn-cifar10", "resnet20-cifar10", "text-trec"];
const CONFIGURATIONS = 8;
const SEED = 0;
const CALIBRATION_SAMPLES = 100;

const HEAD = ["model", "uncorrected dB", "as in the base dB", "as in the trial dB", "CPU seconds a trial"];

await printModelTable(HEAD, async function* (folder, scratch) {
  for (const { name, directory, configuration } of loadBenchModels(
    folder,
    values.models?.split(",") ?? MODELS,
  )) {
    const decibel = async (quantizer: Quantizer, choices: Configuration): Promise<number> => {
      const path = join(scratch, "model.onnx");
      await writeFile(path, encodeModel(quantizer.quantize(choices).model));
      return metricOf(path, scoredAgainstFloat(configuration), directory);
    };
    const uncorrected = await opened({ configuration: tuned(configuration, false), directory });
    const corrected = await opened({ configuration: tuned(configuration, true), directory });
    const sampler = createRandomSampler(corrected.space.parameters, { seed: SEED });
    const sums = [0, 0, 0];
    let seconds = 0;
    for (let trial = 0; trial < CONFIGURATIONS; trial++) {
      const choices = sampler.ask(trial)!;
      const asInBase = await corrected.quantizer(corrected.space.base);
      const before = process.cpuUsage();
      const asInTrial = await corrected.quantizer(choices);
      const { user, system } = process.cpuUsage(before);
      seconds += (user + system) / 1e6;
      const plain = await uncorrected.quantizer(uncorrected.space.base);
      for (const [i, quantizer] of [plain, asInBase, asInTrial].entries())
        sums[i]! += await decibel(quantizer, choices);
    }
    const means = sums.map((sum) => (sum / CONFIGURATIONS).toFixed(2));
    yield [name, ...means, (seconds / CONFIGURATIONS).toFixed(2)];
  }
});

/** Statistics collected once, and quantizers that propagate errors through earlier ops as trials do. */
async function opened(source: { readonly configuration: RunConfigurationInput; readonly directory: string }) {
  const { configuration, directory } = await loadConfiguration(source);
  requireSupported(configuration, "quantize");
  const settings = quantizationSettings(configuration);
  const subject = await openSubject(join(directory, configuration.model.model), settings);
  const { inputs, model } = subject.prepared;
  const path = "engine.calibration";
  const dataset = await loadDataset(configuration.engine.calibration, { directory, inputs, path });
  const samples = calibrationSamples(dataset.samples, settings.sampling);
  const batches = calibrationBatches(dataset, samples);
  const statistics = await collectStatistics(model, subject.statistics, batches);
  const calibration = { subject, batches, statisticsKey: "statistics/bench", store: new MemoryObjectStore() };
  return {
    space: subject.space,
    quantizer: (propagated: Configuration) => openQuantizer(calibration, statistics, propagated),
  };
}

function tuned(configuration: RunConfigurationInput, corrects: boolean): RunConfigurationInput {
  const params = { stat_subset_size: CALIBRATION_SAMPLES, tuning_scope: ["bits" as const, "layer" as const] };
  const correction = corrects ? [{ name: "BiasCorrection" } as const] : [];
  const algorithms = [{ name: "TunableQuantization" as const, params }, ...correction];
  return { ...configuration, compression: { algorithms } };
}
