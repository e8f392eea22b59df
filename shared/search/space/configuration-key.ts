import type { Configuration } from "./space.js";

/**
 * One string for a configuration whatever the order of its keys, so that two trials can be compared and memoised.
 * `1` and `"1"` give different keys.
 */
export function configurationKey(configuration: Configuration): string {
  const entries = Object.entries(configuration);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return JSON.stringify(entries);
}
