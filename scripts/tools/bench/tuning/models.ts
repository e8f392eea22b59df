import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseConfiguration } from "../../../../shared/configuration/parse.js";
import type { RunConfigurationInput } from "../../../../shared/configuration/schema.js";
import { packageRoot } from "../../../package/package-root.js";

/** A model to measure on. */
export interface BenchModel {
  readonly name: string;
  readonly directory: string;
  /** As it stands beside the model. */
  readonly whole: RunConfigurationInput;
  /** Cut down to the quantization itself. */
  readonly configuration: RunConfigurationInput;
  /** Trials and bars of issue 2, "It must show". */
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

/** The folder of models beside the project; undefined where it is missing. */
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
      configuration: withoutCompanions(configuration),
      trials: TRIALS[name] ?? 60,
    };
  });
}

/** The figures of issue 2 are taken with TunableQuantization alone. */
function withoutCompanions(configuration: RunConfigurationInput): RunConfigurationInput {
  const { compression = {} } = configuration;
  const algorithms = compression.algorithms?.filter(({ name }) => name === "TunableQuantization") ?? [];
  return { ...configuration, compression: { ...compression, algorithms } };
}
