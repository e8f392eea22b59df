import { readdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join, relative, resolve } from "node:path";
import { DataError } from "../../shared/basics/errors.js";
import { readArray, type SourceArray } from "../../shared/data/array-file.js";
import { listImages } from "../../shared/data/image-files.js";
import { IMAGE_FILE } from "../../shared/data/image-name.js";
import { npzKeys } from "../../shared/data/npz.js";
import { isFloating } from "../../shared/runtime/element-type.js";
import type { PortInfo } from "../../shared/runtime/session.js";

/** An array of the user's and the path by which a configuration names it (`file.npz#key` within an archive). */
export interface NamedArray {
  readonly path: string;
  /** File name without its ending, or the key within an archive. */
  readonly name: string;
  readonly array: SourceArray;
}

/** The samples found for a model: an array per input, or a folder of images. */
export type SampleSource =
  | {
      readonly kind: "arrays";
      readonly samples: number;
      /** The array of each of the model's inputs, by input name. */
      readonly inputs: ReadonlyMap<string, NamedArray>;
      readonly labels: NamedArray | undefined;
      /** Paths of the arrays that are neither an input nor labels. */
      readonly unused: readonly string[];
    }
  | {
      readonly kind: "images";
      readonly folder: string;
      readonly samples: number;
      /** Paths of the images relative to the folder, in the order of the samples. */
      readonly files: readonly string[];
      /**
       * The class index of each file, and the classes' names; absent where the images are not in one sub-folder
       * per class.
       */
      readonly classes: { readonly of: readonly number[]; readonly names: readonly string[] } | undefined;
      /** Clause of a note that says why the images have no classes. */
      readonly unlabelled: string | undefined;
    };

const ARRAY_FILE = /\.(npy|npz)$/i;
/** Matches the usual names of arrays of labels. */
const LABEL_NAME = /^(y|labels?|targets?|classes|y_(true|test|val|train))$/i;

/**
 * Finds out what the given paths hold for a model: a folder of images, or arrays (.npy and .npz files, or a folder of
 * them), each for the input of its name or the only one of its shape.
 *
 * @throws {DataError} where nothing is found, or an input of the model has no array
 */
export async function findSamples(
  paths: readonly string[],
  inputs: readonly PortInfo[],
): Promise<SampleSource> {
  const [first] = paths;
  if (paths.length === 1 && first !== undefined && (await isFolder(first))) {
    const entries = await readdir(first);
    const arrays = entries.filter((name) => ARRAY_FILE.test(name)).sort();
    if (arrays.length === 0) return findImages(first);
    return matchArrays(await readArrays(arrays.map((name) => join(first, name))), inputs);
  }
  for (const path of paths) {
    if (await isFolder(path)) {
      throw new DataError(
        `${path} is a folder, and ${paths.length} paths are given; give one folder, or .npy and .npz files.`,
      );
    }
    if (!ARRAY_FILE.test(path)) {
      throw new DataError(
        `${path} is not a .npy or .npz file; give a folder of images, or arrays that NumPy saved.`,
      );
    }
  }
  return matchArrays(await readArrays(paths), inputs);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw new DataError(
      `${path} cannot be read (${(cause as NodeJS.ErrnoException).code}); check the path.`,
      {
        cause,
      },
    );
  }
}

async function findImages(folder: string): Promise<SampleSource> {
  const entries = await readdir(folder, { withFileTypes: true });
  const classes = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const beside = entries.find(({ name }) => IMAGE_FILE.test(name))?.name;
  const isLabelled = classes.length >= 2 && beside === undefined;
  const listed = await listImages(".", isLabelled ? { data: "folders" } : undefined, folder, "data");
  const files = listed.files.map((file) => relative(resolve(folder), file));
  const of = files.map((file) => classes.indexOf(file.split(/[\\/]/)[0]!));
  return {
    kind: "images",
    folder,
    samples: files.length,
    files,
    classes: isLabelled ? { of, names: classes } : undefined,
    unlabelled: isLabelled
      ? undefined
      : beside !== undefined && classes.length > 0
        ? `${beside} lies beside the folders`
        : `there are not two folders or more, one per class`,
  };
}

async function readArrays(paths: readonly string[]): Promise<readonly NamedArray[]> {
  const arrays: NamedArray[] = [];
  for (const path of paths) {
    if (extname(path).toLowerCase() === ".npy") {
      const array = await readArray({ file: path, rows: undefined, name: path });
      arrays.push({ path, name: basename(path, extname(path)), array });
      continue;
    }
    for (const key of npzKeys(await readFile(path), path)) {
      const keyed = `${path}#${key}`;
      arrays.push({
        path: keyed,
        name: key,
        array: await readArray({ file: keyed, rows: undefined, name: keyed }),
      });
    }
  }
  return arrays;
}

function matchArrays(arrays: readonly NamedArray[], inputs: readonly PortInfo[]): SampleSource {
  const left = new Set(arrays);
  const matched = new Map<string, NamedArray>();
  const take = (input: PortInfo, fits: (array: NamedArray) => boolean): void => {
    const found = [...left].filter(fits);
    if (found.length !== 1) return;
    matched.set(input.name, found[0]!);
    left.delete(found[0]!);
  };
  for (const input of inputs) take(input, ({ name }) => name === input.name);
  const unmatched = (): readonly PortInfo[] => inputs.filter(({ name }) => !matched.has(name));
  for (const input of unmatched()) {
    take(input, ({ name, array }) => !LABEL_NAME.test(name) && fitsShape(array.shape, input.shape));
  }
  const [missing] = unmatched();
  if (missing !== undefined) {
    const shapes = arrays.map(({ path, array }) => `${path} [${array.shape.join(", ")}]`).join(", ");
    throw new DataError(
      `The model's input ${JSON.stringify(missing.name)} takes [${missing.shape.map((axis) => axis || "any").join(", ")}], and no array given has its name or alone has its shape (${shapes}); name the file ${missing.name}.npy, or save the array in that shape.`,
    );
  }
  const samples = [...matched.values()][0]?.array.shape[0] ?? 0;
  const labels =
    [...left].find(({ name }) => LABEL_NAME.test(name)) ??
    [...left].find(
      ({ array }) => array.shape[0] === samples && array.shape.length === 1 && !isFloating(array.type),
    );
  if (labels !== undefined) requireLabels(labels, samples);
  const unused = [...left].filter((array) => array !== labels).map(({ path }) => path);
  return { kind: "arrays", samples, inputs: matched, labels, unused };
}

/** Whether an array has the shape of a model's input, except the first axis, which counts samples. */
function fitsShape(shape: readonly number[], expected: PortInfo["shape"]): boolean {
  return (
    shape.length === expected.length &&
    expected.every(
      (axis, position) => position === 0 || typeof axis === "string" || axis <= 0 || axis === shape[position],
    )
  );
}

/**
 * Checks that an array can hold the labels of the samples.
 *
 * @throws {DataError} where labels are fewer or more than samples, or name classes otherwise than by integers
 */
function requireLabels({ path, array: { shape, type } }: NamedArray, samples: number): void {
  if (shape[0] !== samples) {
    throw new DataError(
      `${path} has ${shape[0]} labels for ${samples} samples; give as many, in the same order.`,
    );
  }
  if (shape.length === 1 && isFloating(type)) {
    throw new DataError(
      `${path} holds labels as ${type}; save them as integers from 0, array.astype("int64").`,
    );
  }
}
