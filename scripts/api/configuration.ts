import { withHardwareFile } from "../../shared/configuration/hardware-file.js";
import type { LoadedConfiguration } from "../../shared/configuration/parse.js";
import { readConfiguration, validateConfiguration } from "../../shared/configuration/parse.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";

/** The path of a configuration file, or a configuration with the folder that its paths start from. */
export type ConfigurationSource =
  | string
  | {
      readonly configuration: RunConfigurationInput;
      readonly directory?: string;
      /** Names the configuration in messages, where it lies in a record. */
      readonly file?: string;
    };

/** What the command line puts over the file's values. */
export interface OptimizerOverrides {
  readonly maxTrials?: number | undefined;
  readonly maxMinutes?: number | undefined;
  readonly seed?: number | undefined;
  readonly race?: "on" | "off" | undefined;
  readonly maxCostUsd?: number | undefined;
}

/** @throws {ConfigurationError} */
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
  // Validated again, so that a value from the command line has the file's limits.
  const again = validateConfiguration(
    { ...configuration, optimizer: { ...optimizer, params: { ...optimizer.params, ...changed } } },
    { directory },
  );
  // What is without effect was dropped when the file was read.
  return { ...again, notes };
}
