import { ConfigurationError } from "../basics/errors.js";
import { listed } from "../validation/requirement.js";
import type { AlgorithmConfiguration } from "./compression-schema.js";
import type { DataSection, MetricConfiguration } from "./engine-schema.js";
import type { RunConfiguration } from "./schema.js";
import { tunedAlgorithms } from "./tuned-algorithms.js";

/** The commands that read a configuration. */
export type Command = "tune" | "quantize" | "evaluate" | "inspect";

const TUNING_SCOPES = ["bits", "layer", "mode", "granularity", "codes", "range_estimator"];

interface Measured {
  readonly evaluation: DataSection;
  readonly metric: MetricConfiguration;
}

interface Calibrated {
  readonly calibration: DataSection;
}

interface SectionsOf {
  readonly tune: Measured & Calibrated;
  readonly quantize: Calibrated;
  readonly evaluate: Measured;
  readonly inspect: unknown;
}

/** A configuration that has the sections which the command `C` reads. */
export type ConfigurationFor<C extends Command> = RunConfiguration & { readonly engine: SectionsOf[C] };

/**
 * Checks that the configuration has the sections that `command` reads and, for `tune`, that something is left
 * to tune.
 *
 * @throws {ConfigurationError} naming the key, its value and the remedy
 */
export function requireSupported<C extends Command>(
  configuration: RunConfiguration,
  command: C,
): asserts configuration is ConfigurationFor<C> {
  requireSections(configuration, command);
  if (command === "evaluate") return;
  const { algorithms } = configuration.compression;
  if (command !== "tune") return;
  const tunesAlgorithms = tunedAlgorithms(algorithms).length > 0;
  for (const [index, algorithm] of algorithms.entries()) {
    requireTunable(`compression.algorithms[${index}]`, algorithm, tunesAlgorithms);
  }
}

function requireSections({ engine }: RunConfiguration, command: Command): void {
  const reads = {
    tune: ["calibration", "evaluation", "metric"],
    quantize: ["calibration"],
    evaluate: ["evaluation", "metric"],
    inspect: [],
  } as const;
  for (const section of reads[command]) {
    if (engine[section] === undefined) {
      throw new ConfigurationError(
        `engine.${section} is missing, and ${command} needs it; add it to the configuration.`,
        `engine.${section}`,
      );
    }
  }
}

function requireTunable(path: string, algorithm: AlgorithmConfiguration, tunesAlgorithms: boolean): void {
  if (algorithm.name === "DefaultQuantization" || algorithm.name === "MinMaxQuantization") {
    throw new ConfigurationError(
      `${path}.name is "${algorithm.name}", which leaves nothing to tune; run quantize instead, or use TunableQuantization.`,
      `${path}.name`,
    );
  }
  if (
    algorithm.name === "TunableQuantization" &&
    algorithm.params.tuning_scope.length === 0 &&
    !tunesAlgorithms
  ) {
    throw new ConfigurationError(
      `${path}.params.tuning_scope is empty, which leaves nothing to tune; run quantize instead, or list ${listed(TUNING_SCOPES)}.`,
      `${path}.params.tuning_scope`,
    );
  }
}
