import {
  type Codes,
  decodeConfiguration,
  type EncodedSpace,
  encodeConfiguration,
  INACTIVE,
  isActive,
} from "../../search/space/encoding.js";
import type { Configuration } from "../../search/space/space.js";

/**
 * The configuration as base64url text: the codes of its active parameters (indexes of their choices), each in
 * as many bits as its number of choices needs. A configuration of 600 parameters takes about a hundred
 * characters instead of 20,000, so that hundreds of running trials can be saved with every event.
 */
export function packConfiguration(space: EncodedSpace, configuration: Configuration): string {
  let packed = packedConfigurations.get(configuration);
  if (packed === undefined) {
    packed = packCodes(space, encodeConfiguration(space, configuration));
    packedConfigurations.set(configuration, packed);
  }
  return packed;
}

/**
 * Cache of encoded configurations: a running trial's configuration is saved with every event and never
 * changes.
 */
const packedConfigurations = new WeakMap<Configuration, string>();

function packCodes(space: EncodedSpace, codes: Codes): string {
  const bytes: number[] = [];
  let used = 8;
  for (let d = 0; d < space.size; d++) {
    const code = codes[d]!;
    if (code === INACTIVE) continue;
    const bits = bitsFor(space.cardinality[d]!);
    for (let bit = 0; bit < bits; bit++) {
      if (used === 8) {
        bytes.push(0);
        used = 0;
      }
      bytes[bytes.length - 1]! |= ((code >> bit) & 1) << used++;
    }
  }
  return Buffer.from(bytes).toString("base64url");
}

/**
 * Restores the configuration that `packConfiguration` encoded.
 *
 * @throws RangeError if the text is too short for the space or names a choice that the space does not have
 */
export function unpackConfiguration(space: EncodedSpace, packed: string): Configuration {
  const bytes = Buffer.from(packed, "base64url");
  const codes = new Int16Array(space.size).fill(INACTIVE);
  let position = 0;
  for (let d = 0; d < space.size; d++) {
    if (!isActive(space, codes, d)) continue;
    const bits = bitsFor(space.cardinality[d]!);
    let code = 0;
    for (let bit = 0; bit < bits; bit++, position++)
      code |= (((bytes[position >> 3] ?? 0) >> (position & 7)) & 1) << bit;
    if (code >= space.cardinality[d]!)
      throw new RangeError(
        `the packed configuration has choice ${code} for a parameter of ${space.cardinality[d]}`,
      );
    codes[d] = code;
  }
  if (bytes.length !== Math.ceil(position / 8))
    throw new RangeError(
      `the packed configuration has ${bytes.length} bytes instead of ${Math.ceil(position / 8)}`,
    );
  return decodeConfiguration(space, codes);
}

function bitsFor(choices: number): number {
  return 32 - Math.clz32(choices - 1);
}
