import type { Configuration } from "./space.js";

/**
 * A string that is equal for equal configurations, in whatever order their keys are listed; for comparing and
 * caching trials. `1` and `"1"` give different keys.
 */
export function configurationKey(configuration: Configuration): string {
  const entries = Object.entries(configuration);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify(entries);
}
