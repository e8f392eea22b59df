import { createHash } from "node:crypto";
import type { RunConfiguration } from "./schema.js";

/**
 * JSON with sorted keys and without spaces, the same for equal values; keys whose value is `undefined` are
 * omitted.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/**
 * SHA-256 of the configuration with defaults filled in, in hexadecimal. Comments and the order of keys do not
 * affect it, nor do the limits on trials, minutes and cost, so that a run can be resumed with higher limits.
 */
export function configurationHash(configuration: RunConfiguration): string {
  const { optimizer } = configuration;
  const { max_trials: _, max_minutes: __, max_cost_usd: ___, ...params } = optimizer.params;
  const limitless = { ...configuration, optimizer: { ...optimizer, params } };
  return createHash("sha256").update(canonicalJson(limitless)).digest("hex");
}
