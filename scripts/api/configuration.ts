import { withHardwareFile } from "../../shared/configuration/hardware-file.js";
import type { LoadedConfiguration } from "../../shared/configuration/parse.js";
import { readConfiguration, validateConfiguration } from "../../shared/configuration/parse.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";

/** The path of a configuration file, or a configuration and the folder that its relative paths start from. */
export type ConfigurationSource =
  | string
  | {
      readonly configuration: RunConfigurationInput;
      readonly directory?: string;
      /** Path that names the configuration in messages, when it was read from a run's record. */
      readonly file?: string;
    };

/** Options of the command line that override values of the configuration. */
export interface OptimizerOverrides {
  readonly maxTrials?: number | undefined;
  readonly maxMinutes?: number | undefined;
  readonly seed?: number | undefined;
  readonly race?: "on" | "off" | undefined;
  readonly maxCostUsd?: number | undefined;
}

/**
 * Loads a configuration, with its hardware file, and applies overrides.
 * @throws {ConfigurationError}
 */
export async function loadConfiguration(
  source: ConfigurationSource,
  overrides: OptimizerOverrides = {},
): Promise<LoadedConfiguration> {
  const loaded = await withHardwareFile(
    typeof source === "string"
      ? await readConfiguration(source)
      : validateConfiguration(source.configuration, {
          directory: source.directory ?? process.cwd(),
          ...(source.file === undefined ? {} : { file: source.file }),
        }),
  );
  const { configuration, directory, notes } = loaded;
  const { maxTrials, maxMinutes, seed, race, maxCostUsd } = overrides;
  const changed = {
    ...(maxTrials === undefined ? {} : { max_trials: maxTrials }),
    ...(maxMinutes === undefined ? {} : { max_minutes: maxMinutes }),
    ...(seed === undefined ? {} : { seed }),
    ...(race === undefined ? {} : { race }),
    ...(maxCostUsd === undefined ? {} : { max_cost_usd: maxCostUsd }),
  };
  if (Object.keys(changed).length === 0) return loaded;
  const { optimizer } = configuration;
  // Checked again, because the limits of the file's values also apply to overrides.
  const again = validateConfiguration(
    { ...configuration, optimizer: { ...optimizer, params: { ...optimizer.params, ...changed } } },
    { directory },
  );
  // The checked configuration no longer holds keys without effect, so the notes come from the first check.
  return { ...again, notes };
}
