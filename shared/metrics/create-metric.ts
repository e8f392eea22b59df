import { basename } from "node:path";
import { ConfigurationError } from "../basics/errors.js";
import type { MetricConfiguration } from "../configuration/engine-schema.js";
import { resolvePath } from "../configuration/parse.js";
import { readLines } from "../data/labels.js";
import type { ModelPort } from "../runtime/tensor.js";
import { accuracy, agreement, f1 } from "./classification.js";
import { cosineSimilarity, meanSquaredError, signalToQuantizationNoise } from "./closeness.js";
import type { Metric } from "./metric.js";
import type { LocateModule } from "./module-location.js";
import { loadModuleMetric } from "./module-metric.js";
import { chooseOutput } from "./output.js";
import { meanIntersectionOverUnion } from "./segmentation.js";
import { type CharacterList, characterAccuracy, textAccuracy } from "./text.js";

export interface MetricOptions {
  /** Folder that relative paths in the configuration start from. */
  readonly directory: string;
  /** The model's outputs, as in `InferenceSession.outputMetadata`. */
  readonly outputs: readonly ModelPort[];
  /** Whether the scored samples have labels. */
  readonly labelled: boolean;
  /** Returns the file of a metric module; when omitted, the module's path relative to `directory`. */
  readonly locateModule?: LocateModule | undefined;
}

/**
 * Creates the configured metric and checks it against the model's outputs.
 *
 * @throws {ConfigurationError | DataError} when the model's outputs, the labels or a file do not suit the
 * metric
 */
export async function createMetric(
  configuration: MetricConfiguration,
  options: MetricOptions,
): Promise<Metric> {
  const scored = chooseOutput(configuration.output, options.outputs);
  const isModule = configuration.name === "module" || configuration.name === undefined;
  const metric = {
    ...(await build(configuration, scored, options)),
    output: isModule ? configuration.output : scored.name,
  };
  if (metric.needs === "labels" && !options.labelled) {
    throw new ConfigurationError(
      `engine.evaluation.labels is missing, but metric ${metric.name} needs labels; name their file, or use metric agreement.`,
      "engine.evaluation.labels",
    );
  }
  return metric;
}

async function build(
  configuration: MetricConfiguration,
  output: ModelPort,
  options: MetricOptions,
): Promise<Metric> {
  const { directory, labelled } = options;
  const compared = labelled ? "labels" : "float outputs";
  switch (configuration.name) {
    case "accuracy":
      return accuracy(output, configuration.top_k);
    case "f1":
      return f1(output);
    case "agreement":
      return agreement(output);
    case "miou":
      return meanIntersectionOverUnion(output, configuration.classes, configuration.ignore_label);
    case "mse":
      return meanSquaredError(output, compared);
    case "sqnr":
      return signalToQuantizationNoise(output, compared);
    case "cosine":
      return cosineSimilarity(output, compared);
    case "text_accuracy":
      return textAccuracy(output, await readCharacters(configuration.characters, directory));
    case "character_accuracy":
      return characterAccuracy(output, await readCharacters(configuration.characters, directory));
    case "module":
    case undefined:
      return loadModuleMetric(
        options.locateModule?.(configuration.module) ?? resolvePath(directory, configuration.module),
        basename(configuration.module),
      );
  }
}

async function readCharacters(file: string, directory: string): Promise<CharacterList> {
  const name = `engine.metric.characters (${file})`;
  return { characters: await readLines(resolvePath(directory, file), name), name };
}
