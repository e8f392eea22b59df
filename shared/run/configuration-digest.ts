import { createHash } from "node:crypto";
import { configurationKey } from "../search/configuration-key.js";
import type { Configuration } from "../search/space.js";

/**
 * What a report says of the configuration that was scored; `null` is the float model. A coordinator that asks the sampler
 * again for what another one has sent says the same, unless it is of another version: then results are not taken for those
 * of what is now asked.
 */
export function configurationDigest(configuration: Configuration | null): string {
  const text = configuration === null ? "float" : configurationKey(configuration);
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
