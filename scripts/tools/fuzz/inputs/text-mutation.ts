import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { mutateBytesSomehow } from "./bytes-mutation.js";
import { oneOf } from "./choose.js";

const TOKENS = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "//",
  "/*",
  "*/",
  "\\u",
  "\n",
  "\t",
  "null",
  "1e999",
  "-",
  "\0",
];

type Mutation = (text: string, random: RandomStream) => Buffer;

const place = (text: string, random: RandomStream): number => random.below(text.length + 1);

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  cut: (text, random) => Buffer.from(text.slice(0, place(text, random))),
  token: (text, random) => {
    const at = place(text, random);
    return Buffer.from(text.slice(0, at) + oneOf(random, TOKENS) + text.slice(at));
  },
  line: (text, random) => {
    const lines = text.split("\n");
    return Buffer.from(lines.toSpliced(random.below(lines.length), 1).join("\n"));
  },
  "byte-order-mark": (text) => Buffer.from(`\ufeff${text}`),
  "utf-16": (text) => Buffer.from(text, "utf16le"),
  latin: (text) => Buffer.from(`${text}\u00e9`, "latin1"),
  twice: (text) => Buffer.from(text + text),
  bytes: (text, random) => mutateBytesSomehow(Buffer.from(text), random).bytes,
};

/** Names of the text mutations. */
export const TEXT_MUTATIONS = Object.keys(MUTATIONS);

/** The bytes of a copy of a text with the named mutation. */
export function mutateText(text: string, random: RandomStream, mutation: string): Buffer {
  return MUTATIONS[mutation]!(text, random);
}
