import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { DataError } from "../basics/errors.js";
import type { LabelSource } from "../configuration/engine-schema.js";
import { resolvePath } from "../configuration/parse.js";
import { IMAGE_FILE } from "./image-name.js";
import { type Labels, lineLabels, numberLabels, readLines } from "./labels.js";

const MAX_IMAGES = 1_000_000;

/** The images of a dataset in order, with their labels. */
export interface ImageList {
  /** Absolute paths of the image files. */
  readonly files: readonly string[];
  readonly labels: Labels | undefined;
}

/**
 * Lists the images of a folder: with labels "folders", those of its sub-folders, each of which is a class;
 * with a labels file, those that the file names; without labels, all. Sorted by name, so that the order is
 * the same on every machine.
 *
 * @throws {DataError} when there are none, or a file named by the labels is missing or outside the folder
 */
export async function listImages(
  images: string,
  labels: LabelSource | undefined,
  directory: string,
  path: string,
): Promise<ImageList> {
  const folder = resolvePath(directory, images);
  const name = `${path}.images (${images})`;
  const found =
    labels === undefined
      ? { files: await imagesBelow(folder, name), labels: undefined }
      : labels.data === "folders"
        ? await classFolders(folder, name)
        : await listedImages(folder, resolvePath(directory, labels.data), `${path}.labels (${labels.data})`);
  if (found.files.length === 0) {
    throw new DataError(
      `${name} holds no images; give a folder of .jpg, .png, .webp, .tif, .gif or .avif files.`,
    );
  }
  if (found.files.length > MAX_IMAGES) {
    throw new DataError(
      `${name} holds ${found.files.length} images, but at most ${MAX_IMAGES} are read; list fewer in a labels file.`,
    );
  }
  return found;
}

async function entriesOf(
  folder: string,
  name: string,
): Promise<{ readonly files: string[]; readonly folders: string[] }> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const names = (wanted: (entry: (typeof entries)[number]) => boolean) =>
      entries
        .filter(wanted)
        .map((entry) => entry.name)
        .sort();
    return {
      files: names((entry) => entry.isFile() && IMAGE_FILE.test(entry.name)),
      folders: names((entry) => entry.isDirectory()),
    };
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new DataError(`${name} cannot be read (${reason}); give the path of a folder of images.`, {
      cause: error,
    });
  }
}

async function imagesBelow(folder: string, name: string): Promise<string[]> {
  const { files, folders } = await entriesOf(folder, name);
  const found = files.map((file) => join(folder, file));
  for (const inner of folders) {
    const below = await entriesOf(join(folder, inner), name);
    found.push(...below.files.map((file) => join(folder, inner, file)));
  }
  return found;
}

async function classFolders(folder: string, name: string): Promise<ImageList> {
  const { folders } = await entriesOf(folder, name);
  if (folders.length < 2) {
    throw new DataError(
      `${name} has ${folders.length} sub-folders, but labels "folders" takes each as a class; name a labels file instead.`,
    );
  }
  const files: string[] = [];
  const classes: number[] = [];
  for (const [index, inner] of folders.entries()) {
    const below = await entriesOf(join(folder, inner), name);
    files.push(...below.files.map((file) => join(folder, inner, file)));
    classes.push(...below.files.map(() => index));
  }
  const sha256 = createHash("sha256")
    .update(JSON.stringify([folders, classes]))
    .digest("hex");
  const labels = numberLabels(
    Int32Array.from(classes),
    [classes.length],
    true,
    `${name}, labels "folders"`,
    sha256,
  );
  return { files, labels };
}

async function listedImages(folder: string, labelsFile: string, name: string): Promise<ImageList> {
  const files: string[] = [];
  const lines: string[] = [];
  for (const [index, line] of (await readLines(labelsFile, name)).entries()) {
    const separator = line.includes("\t") ? "\t" : line.includes(",") ? "," : " ";
    const at = separator === " " ? line.lastIndexOf(separator) : line.indexOf(separator);
    if (at <= 0) {
      throw new DataError(
        `${name} has no label on line ${index + 1}; write "file name, label" on every line.`,
      );
    }
    const image = line.slice(0, at).trim();
    const file = join(folder, image);
    if (relative(folder, file).split(sep)[0] === "..") {
      throw new DataError(
        `${name} names ${image} on line ${index + 1}, which is outside the folder of images; move it there.`,
      );
    }
    await requireFile(file, `${name} names ${image} on line ${index + 1}`);
    files.push(file);
    lines.push(line.slice(at + 1).trim());
  }
  return { files, labels: lineLabels(lines, name) };
}

async function requireFile(file: string, found: string): Promise<void> {
  try {
    if ((await stat(file)).isFile()) return;
  } catch (error) {
    throw new DataError(`${found}, but there is no such file; correct the name or remove the line.`, {
      cause: error,
    });
  }
  throw new DataError(`${found}, which is not a file; correct the name or remove the line.`);
}
