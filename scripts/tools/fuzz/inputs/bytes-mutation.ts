import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { oneOf } from "./choose.js";

/**
 * Values at which decoders often fail, written by mutations: 0, 255, the largest byte of a varint, and the limits
 * of signed numbers.
 */
const INTERESTING = [0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe];
/** Values that mutations write into a file: limits of 32-bit and 64-bit numbers. */
const WORDS = [0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0x7f800000, 0xff7fffff, 0x7fc00000];
const LONGEST_PIECE = 64;

type Mutation = (bytes: Buffer, random: RandomStream) => Buffer;

const at = (bytes: Buffer, random: RandomStream): number => random.below(Math.max(1, bytes.length));
const piece = (random: RandomStream): number => 1 + random.below(LONGEST_PIECE);

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip: (bytes, random) => {
    const place = at(bytes, random);
    const copy = Buffer.from(bytes);
    copy[place] = (copy[place] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  set: (bytes, random) => {
    const copy = Buffer.from(bytes);
    copy[at(bytes, random)] = oneOf(random, INTERESTING);
    return copy;
  },
  word: (bytes, random) => {
    if (bytes.length < 4) return bytes;
    const copy = Buffer.from(bytes);
    copy.writeUInt32LE(oneOf(random, WORDS), random.below(copy.length - 3));
    return copy;
  },
  cut: (bytes, random) => bytes.subarray(0, at(bytes, random)),
  remove: (bytes, random) => {
    const start = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + piece(random))]);
  },
  repeat: (bytes, random) => {
    const start = at(bytes, random);
    const end = start + piece(random);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end)]);
  },
  insert: (bytes, random) => {
    const start = at(bytes, random);
    const noise = Buffer.from(Array.from({ length: piece(random) }, () => random.below(256)));
    return Buffer.concat([bytes.subarray(0, start), noise, bytes.subarray(start)]);
  },
  empty: () => Buffer.alloc(0),
};

/** Names of the byte mutations. */
export const BYTES_MUTATIONS = Object.keys(MUTATIONS);

/** A copy of some bytes with the named mutation. */
export function mutateBytes(bytes: Uint8Array, random: RandomStream, mutation: string): Buffer {
  return Buffer.from(MUTATIONS[mutation]!(Buffer.from(bytes), random));
}

/** A copy of some bytes with one to four mutations, mostly small ones; the mutation `empty` is drawn rarely. */
export function mutateBytesSomehow(
  bytes: Uint8Array,
  random: RandomStream,
): { readonly bytes: Buffer; readonly mutations: readonly string[] } {
  const usual = BYTES_MUTATIONS.filter((name) => name !== "empty");
  const mutations = Array.from({ length: 1 + random.below(4) }, () =>
    random.uniform() < 0.02 ? "empty" : oneOf(random, usual),
  );
  let changed = Buffer.from(bytes);
  for (const mutation of mutations) changed = mutateBytes(changed, random, mutation) as typeof changed;
  return { bytes: changed, mutations };
}
