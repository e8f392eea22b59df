import type { RunConfigurationInput } from "../../../../shared/configuration/schema.js";

/**
 * A configuration with the same data without labels: the metric is the signal-to-noise ratio against the float
 * model's outputs, in decibels.
 */
export function scoredAgainstFloat(configuration: RunConfigurationInput): RunConfigurationInput {
  const { labels: _labels, ...evaluation } = configuration.engine.evaluation ?? {};
  const { validation: _validation, ...engine } = configuration.engine;
  return { ...configuration, engine: { ...engine, evaluation, metric: { name: "sqnr" } } };
}
