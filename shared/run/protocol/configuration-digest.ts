import { createHash } from "node:crypto";
import type { Configuration } from "../../search/space/space.js";
import type { ProposedTrial } from "./state.js";
import { BASE_TRIAL } from "./study.js";

/**
 * Cache of digests by configuration: configurations are immutable, and a trial's is the same object from its
 * job to its report.
 */
const known = new WeakMap<Configuration, string>();

/**
 * Hash of a trial's configuration, the first 12 hexadecimal digits of SHA-256; `undefined` for the float
 * model and the base.
 *
 * A trial job carries the digest and its report repeats it. After a crash a coordinator asks the sampler
 * again for a configuration that was already sent, and gets the same one unless the code's version differs;
 * the digest detects that difference, so that results are never assigned to another configuration. Parameter
 * names have the order of the space wherever configurations are made or read.
 */
export function digestOf({ number, configuration }: ProposedTrial): string | undefined {
  if (number <= BASE_TRIAL || configuration === null) return undefined;
  let digest = known.get(configuration);
  if (digest === undefined) {
    digest = createHash("sha256").update(JSON.stringify(configuration)).digest("hex").slice(0, 12);
    known.set(configuration, digest);
  }
  return digest;
}
