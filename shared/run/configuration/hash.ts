import { createHash } from "node:crypto";
import type { RunConfiguration } from "./schema.js";

/** JSON with sorted keys and without spaces, the same for equal values; keys that are `undefined` are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/** SHA-256 of the configuration with its defaults filled in, in hexadecimal: no comment or order of keys matters. */
export function configurationHash(configuration: RunConfiguration): string {
  return createHash("sha256").update(canonicalJson(configuration)).digest("hex");
}
