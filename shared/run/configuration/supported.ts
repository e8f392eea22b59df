import { ConfigurationError } from "../../errors.js";
import type { AlgorithmConfiguration } from "./compression-schema.js";
import type { DataSection, MetricConfiguration } from "./engine-schema.js";
import { listed } from "./requirement.js";
import type { RunConfiguration } from "./schema.js";

/** The commands that do what a configuration asks for. */
export type Command = "tune" | "quantize" | "evaluate" | "inspect";

type Value = string | number | boolean;

/**
 * What exists. Everything that the schema knows beyond this is refused by name before any work; an algorithm
 * that is added extends its row, and nothing else.
 */
const SUPPORTED = {
  scopes: ["bits", "layer", "mode", "granularity", "range_estimator"],
  estimatorScopes: ["preset", "aggregator", "type", "outlier_prob"],
  saturationFixes: ["no"],
} as const satisfies Record<string, readonly Value[] | Record<string, readonly Value[]>>;

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

/** A configuration with the sections that the command reads. */
export type ConfigurationFor<C extends Command> = RunConfiguration & { readonly engine: SectionsOf[C] };

/**
 * Checks that the configuration holds what `command` reads, and asks for nothing that does not exist.
 *
 * @throws ConfigurationError naming the key, its value and what to do
 */
export function requireSupported<C extends Command>(
  configuration: RunConfiguration,
  command: C,
): asserts configuration is ConfigurationFor<C> {
  requireSections(configuration, command);
  if (command === "evaluate") return;
  const { algorithms } = configuration.compression;
  for (const [index, algorithm] of algorithms.entries()) {
    requireAlgorithm(`compression.algorithms[${index}]`, algorithm, command === "tune" ? "tune" : "quantize");
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

function requireAlgorithm(
  path: string,
  algorithm: AlgorithmConfiguration,
  command: "tune" | "quantize",
): void {
  if (
    command === "tune" &&
    (algorithm.name === "DefaultQuantization" || algorithm.name === "MinMaxQuantization")
  ) {
    throw new ConfigurationError(
      `${path}.name is "${algorithm.name}", which leaves nothing to tune; run quantize instead, or use TunableQuantization.`,
      `${path}.name`,
    );
  }
  switch (algorithm.name) {
    case "TunableQuantization":
      if (command === "tune") requireTuning(`${path}.params`, algorithm.params);
      requireQuantization(`${path}.params`, algorithm.params);
      return;
    case "DefaultQuantization":
      requireQuantization(`${path}.params`, algorithm.params);
      return;
    case "MinMaxQuantization":
      requireQuantization(`${path}.params`, algorithm.params);
      return;
    case "CrossLayerEqualization":
    case "SmoothQuant":
    case "ActivationChannelAlignment":
    case "AdaptiveRounding":
    case "FastBiasCorrection":
    case "BiasCorrection":
    case "WeightBiasCorrection":
      return;
  }
}

type Params<Name extends AlgorithmConfiguration["name"]> = Extract<
  AlgorithmConfiguration,
  { name: Name }
>["params"];

function requireTuning(path: string, params: Params<"TunableQuantization">): void {
  if (params.tuning_scope.length === 0) {
    throw new ConfigurationError(
      `${path}.tuning_scope is empty, which leaves nothing to tune; run quantize instead, or list ${listed(SUPPORTED.scopes)}.`,
      `${path}.tuning_scope`,
    );
  }
  requireEach(`${path}.tuning_scope`, params.tuning_scope, SUPPORTED.scopes);
  requireEach(`${path}.estimator_tuning_scope`, params.estimator_tuning_scope, SUPPORTED.estimatorScopes);
}

function requireQuantization(path: string, params: Params<"MinMaxQuantization">): void {
  requireOneOf(`${path}.saturation_fix`, params.saturation_fix, SUPPORTED.saturationFixes);
}

function requireEach(path: string, values: readonly Value[] | undefined, supported: readonly Value[]): void {
  for (const [index, value] of (values ?? []).entries()) requireOneOf(`${path}[${index}]`, value, supported);
}

function requireOneOf(path: string, value: Value | undefined, supported: readonly Value[]): void {
  if (value === undefined || supported.includes(value)) return;
  throw new ConfigurationError(
    `${path} is ${JSON.stringify(value)}, which this version does not offer yet; use ${listed(supported)}, or remove it.`,
    path,
  );
}
