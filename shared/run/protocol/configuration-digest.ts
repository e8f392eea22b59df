import { createHash } from "node:crypto";
import type { Configuration } from "../../search/space/space.js";
import type { AskedTrial } from "./state.js";
import { BASE_TRIAL } from "./study.js";

/** Configurations never change, and a trial's is the same object from its job to its report. */
const known = new WeakMap<Configuration, string>();

/**
 * Goes with the job of what the sampler has proposed, and comes back with its report; `undefined` for the float model and
 * the base. A coordinator that asks the sampler again for what another one has sent says the same, unless it is of another
 * version: then results are not taken for those of what is now asked. As for the order of names: whatever proposes a
 * configuration or reads it back has the space's.
 */
export function digestOf({ number, configuration }: AskedTrial): string | undefined {
  if (number <= BASE_TRIAL || configuration === null) return undefined;
  let digest = known.get(configuration);
  if (digest === undefined) {
    digest = createHash("sha256").update(JSON.stringify(configuration)).digest("hex").slice(0, 12);
    known.set(configuration, digest);
  }
  return digest;
}
