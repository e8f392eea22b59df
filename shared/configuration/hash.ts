import { createHash } from "node:crypto";
import type { RunConfiguration } from "./schema.js";

/** JSON with sorted keys and without spaces, the same for equal values; keys that are `undefined` are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/**
 * SHA-256 of the configuration with its defaults filled in, in hexadecimal: no comment or order of keys matters, and not how
 * far the search goes, as a run can be resumed with more trials, minutes or dollars.
 */
export function configurationHash(configuration: RunConfiguration): string {
  const { optimizer } = configuration;
  const { max_trials: _, max_minutes: __, max_cost_usd: ___, ...params } = optimizer.params;
  const limitless = { ...configuration, optimizer: { ...optimizer, params } };
  return createHash("sha256").update(canonicalJson(limitless)).digest("hex");
}
