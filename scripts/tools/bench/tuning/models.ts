import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseConfiguration } from "../../../../shared/configuration/parse.js";
import type { RunConfigurationInput } from "../../../../shared/configuration/schema.js";
import { packageRoot } from "../../../package/package-root.js";

/** A model that the benches measure on. */
export interface BenchModel {
  readonly name: string;
  readonly directory: string;
  /** The configuration in the model's folder, with all its algorithms. */
  readonly whole: RunConfigurationInput;
  /** The same configuration without algorithms other than the quantization. */
  readonly configuration: RunConfigurationInput;
  /** Number of trials of a search of this model in the bench. */
  readonly trials: number;
}

const TRIALS: Readonly<Record<string, number>> = {
  "demo-mnist-dscnn": 100,
  "dscnn-cifar10": 100,
  "resnet20-cifar10": 60,
  "kws-dscnn-mlperf": 60,
  "text-trec": 60,
  "ppocr-cls": 60,
  "ppocr-rec": 60,
};

/** Path of the folder with the benches' models, `../shared/models`; `undefined` where it does not exist. */
export function modelsFolder(): string | undefined {
  const folder = resolve(packageRoot(), "..", "shared", "models");
  return existsSync(folder) ? folder : undefined;
}

export function loadBenchModels(
  folder: string,
  names: readonly string[] = Object.keys(TRIALS),
): BenchModel[] {
  return names.map((name) => {
    const directory = join(folder, name);
    const file = join(directory, "config.json");
    const { configuration } = parseConfiguration(readFileSync(file, "utf8"), { file });
    return {
      name,
      directory,
      whole: configuration,
      configuration: withoutAlgorithms(configuration),
      trials: TRIALS[name] ?? 60,
    };
  });
}

/** Removes all algorithms but TunableQuantization from a configuration. */
function withoutAlgorithms(configuration: RunConfigurationInput): RunConfigurationInput {
  const { compression = {} } = configuration;
  const algorithms = compression.algorithms?.filter(({ name }) => name === "TunableQuantization") ?? [];
  return { ...configuration, compression: { ...compression, algorithms } };
}
