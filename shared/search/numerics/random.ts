/**
 * Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). The numbers of a trial are a function of (seed, trial number, purpose), so they do not depend on
 * which trials were proposed before, or on which machine.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** The upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/**
 * Returns one Philox block of random bits.
 *
 * @param counter four unsigned 32-bit words
 * @param key two unsigned 32-bit words
 * @returns four unsigned 32-bit words
 */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  const block = new Uint32Array(4);
  writePhilox(block, ...counter, ...key);
  return [block[0]!, block[1]!, block[2]!, block[3]!];
}

/** Writes one Philox block into an existing array: a stream needs thousands of blocks. */
function writePhilox(
  block: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  let [w0, w1, w2, w3, key0, key1] = [c0, c1, c2, c3, k0, k1];
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, w0);
    const low0 = Math.imul(MULTIPLIER_0, w0);
    const high1 = multiplyHigh(MULTIPLIER_1, w2);
    const low1 = Math.imul(MULTIPLIER_1, w2);
    w0 = (high1 ^ w1 ^ key0) >>> 0;
    w1 = low1 >>> 0;
    w2 = (high0 ^ w3 ^ key1) >>> 0;
    w3 = low0 >>> 0;
    key0 = (key0 + WEYL_0) >>> 0;
    key1 = (key1 + WEYL_1) >>> 0;
  }
  block[0] = w0;
  block[1] = w1;
  block[2] = w2;
  block[3] = w3;
}

export interface RandomStream {
  /** A random number, uniform in [0, 1), with 32 random bits. */
  uniform(): number;
  /** A random integer, uniform in 0 … count - 1. */
  below(count: number): number;
  /** A random number with the standard normal distribution. */
  normal(): number;
}

const PURPOSES = ["sampler", "sample-order", "problem", "noise", "posterior", "row", "importance"] as const;
/** What a stream is used for; streams of one trial with different purposes are independent. */
export type StreamPurpose = (typeof PURPOSES)[number];

/**
 * Returns the random numbers of one trial and purpose, always the same for equal arguments.
 *
 * @param seed any integer that a double holds exactly
 * @param trial the trial's number, from 0
 */
export function createRandomStream(seed: number, trial: number, purpose: StreamPurpose): RandomStream {
  const [key0, key1] = [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
  const [trial0, trial1] = [trial >>> 0, Math.floor(trial / 0x100000000) >>> 0];
  const domain = PURPOSES.indexOf(purpose);
  const block = new Uint32Array(4);
  let position = 4;
  let blocks = 0;
  let spareNormal: number | undefined;

  function word(): number {
    if (position === 4) {
      writePhilox(block, blocks++, trial0, trial1, domain, key0, key1);
      position = 0;
    }
    return block[position++]!;
  }
  function uniform(): number {
    return word() / 0x100000000;
  }
  return {
    uniform,
    below: (count) => Math.floor(uniform() * count),
    normal() {
      if (spareNormal !== undefined) {
        const normal = spareNormal;
        spareNormal = undefined;
        return normal;
      }
      // Box and Muller; 1 - u lies in (0, 1], so the logarithm is finite.
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spareNormal = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}
