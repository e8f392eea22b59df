import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { DataError } from "../basics/errors.js";
import type { LabelSource } from "../configuration/engine-schema.js";
import { resolvePath } from "../configuration/parse.js";
import { asNumbers, isFloating } from "../runtime/element-type.js";
import { contiguous, type Samples, sampleNumbers } from "../runtime/tensor.js";
import { readArray } from "./array-file.js";

const LARGEST_TEXT_BYTES = 256 * 1024 ** 2;

/** Labels of some samples: an array whose first axis is the sample, or one line of text per sample. */
export type LabelSlice =
  | {
      readonly kind: "numbers";
      readonly shape: readonly number[];
      readonly data: ReturnType<typeof asNumbers>;
      /** Whether the array's type is an integer type, so that the labels can be class indices. */
      readonly integers: boolean;
    }
  | { readonly kind: "lines"; readonly lines: readonly string[] };

/** The labels of a whole dataset. */
export interface Labels {
  readonly samples: number;
  /** Name of the labels in messages. */
  readonly name: string;
  readonly sha256: string;
  slice(samples: Samples): LabelSlice;
}

/**
 * Reads labels: `.npy` and `file.npz#key` as an array, any other file as UTF-8 text with one line per sample.
 *
 * @param path JSON path of the labels for messages
 * @throws {DataError} when the file cannot be read, or lacks the rows
 */
export async function readLabels(source: LabelSource, directory: string, path: string): Promise<Labels> {
  const name = `${path} (${source.data})`;
  const file = resolvePath(directory, source.data);
  if (/\.npy$|\.npz#/.test(source.data)) {
    const array = await readArray({ file, rows: source.rows, name });
    const values = asNumbers(array.type, array.data);
    return numberLabels(values, array.shape, !isFloating(array.type), name, array.sha256);
  }
  const lines = await readLines(file, name);
  const [first, end] = source.rows ?? [0, lines.length];
  if (end > lines.length) {
    throw new DataError(
      `${name} has ${lines.length} lines, but rows asks for [${first}, ${end}); end it at ${lines.length}.`,
    );
  }
  return lineLabels(lines.slice(first, end), name);
}

/** The lines of a UTF-8 text file; an empty last line is not counted. */
export async function readLines(file: string, name: string): Promise<string[]> {
  const lines = decode(await readBounded(file, name), name).split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw new DataError(`${name} is empty; give it a line a sample.`);
  return lines;
}

async function readBounded(file: string, name: string): Promise<Uint8Array> {
  try {
    // Checked first, because opening a named pipe would block until it has a writer.
    const status = await stat(file);
    if (!status.isFile()) throw new DataError(`${name} is not a file; give the path of a .npy or text file.`);
    if (status.size > LARGEST_TEXT_BYTES) {
      throw new DataError(
        `${name} has ${status.size} bytes, but a text file has at most ${LARGEST_TEXT_BYTES}; use an array.`,
      );
    }
    return await readFile(file);
  } catch (error) {
    if (error instanceof DataError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new DataError(`${name} cannot be read (${reason}); give the path of a .npy or text file.`, {
      cause: error,
    });
  }
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DataError(`${name} is neither an array file nor UTF-8 text; save it as one of the two.`, {
      cause: error,
    });
  }
}

export function numberLabels(
  values: ReturnType<typeof asNumbers>,
  shape: readonly number[],
  integers: boolean,
  name: string,
  sha256: string,
): Labels {
  const [samples = 0, ...rest] = shape;
  const width = rest.reduce((product, axis) => product * axis, 1);
  return {
    samples,
    name,
    sha256,
    slice(wanted) {
      const range = contiguous(wanted);
      if (range !== undefined) {
        const data = values.subarray(range.from * width, range.to * width);
        return { kind: "numbers", shape: [range.to - range.from, ...rest], data, integers };
      }
      const numbers = sampleNumbers(wanted);
      const data = values.slice(0, numbers.length * width);
      for (const [position, sample] of numbers.entries()) {
        data.set(values.subarray(sample * width, (sample + 1) * width), position * width);
      }
      return { kind: "numbers", shape: [numbers.length, ...rest], data, integers };
    },
  };
}

export function lineLabels(lines: readonly string[], name: string): Labels {
  const sha256 = createHash("sha256").update(JSON.stringify(lines)).digest("hex");
  return {
    samples: lines.length,
    name,
    sha256,
    slice(wanted) {
      const range = contiguous(wanted);
      if (range !== undefined) return { kind: "lines", lines: lines.slice(range.from, range.to) };
      return { kind: "lines", lines: sampleNumbers(wanted).map((sample) => lines[sample] ?? "") };
    },
  };
}

/** The part of some labels that belongs to samples [first, end). */
export function labelRows(labels: Labels, first: number, end: number): Labels {
  const sha256 = createHash("sha256")
    .update(JSON.stringify([labels.sha256, first, end]))
    .digest("hex");
  return {
    samples: end - first,
    name: labels.name,
    sha256,
    slice(wanted) {
      const range = contiguous(wanted);
      if (range !== undefined) return labels.slice({ from: range.from + first, to: range.to + first });
      return labels.slice(sampleNumbers(wanted).map((sample) => sample + first));
    },
  };
}
