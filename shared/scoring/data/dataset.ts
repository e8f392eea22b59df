import { createHash } from "node:crypto";
import { DataError } from "../../errors.js";
import type { ArraySource, DataSection } from "../../run/configuration/engine-schema.js";
import { resolvePath } from "../../run/configuration/parse.js";
import { jsonPath } from "../../run/configuration/problem.js";
import { nearest } from "../../run/configuration/requirement.js";
import { ArrayColumn } from "./array-column.js";
import { readArray, type SourceArray } from "./array-file.js";
import { type ElementType, isElementType } from "./element-type.js";
import { type LabelSlice, type Labels, readLabels } from "./labels.js";
import { alwaysFits, channelsFirst, fitsType, isIdentity, preprocess } from "./preprocessing.js";
import type { ModelPort, Samples, TensorValue } from "./tensor.js";

/** Preprocessed inputs that are kept, all inputs of a dataset together; beyond it batches are converted anew. */
export const LARGEST_CACHE_BYTES = 1024 ** 3;

/** What a session is fed, by the names of the model's inputs. */
export type InputBatch = Readonly<Record<string, TensorValue>>;

/** Samples that fit the model, ready to be fed to it. */
export interface Dataset {
  readonly samples: number;
  /** SHA-256 over the samples, their preprocessing and the labels, in hexadecimal. */
  readonly contentHash: string;
  /** Inputs of some samples, in the order asked for; a promise where images are decoded. */
  batch(samples: Samples): InputBatch | Promise<InputBatch>;
  /** Labels of the same samples, where the section has labels. */
  labels(samples: Samples): LabelSlice | undefined;
}

export interface DatasetOptions {
  /** Where relative paths start. */
  readonly directory: string;
  /** The model's inputs, as `InferenceSession.inputMetadata` lists them. */
  readonly inputs: readonly ModelPort[];
  /** JSON path of the section, for messages, such as `engine.evaluation`. */
  readonly path: string;
  /** At most this many bytes of preprocessed inputs are kept; `LARGEST_CACHE_BYTES` when left out. */
  readonly cacheBytes?: number;
}

/**
 * Reads a section's samples and checks them against the model and each other.
 *
 * @throws DataError with one sentence naming the JSON path, the file, what was expected and what was found
 */
export async function loadDataset(section: DataSection, options: DatasetOptions): Promise<Dataset> {
  const { images, inputs, labels } = section;
  if (images !== undefined) {
    // Images need sharp, a native library that nothing else loads.
    const { loadImages } = await import("./image-dataset.js");
    return loadImages({ ...section, images }, options);
  }
  const columns = await loadColumns(inputs ?? {}, options);
  const loaded =
    labels === undefined ? undefined : await readLabels(labels, options.directory, `${options.path}.labels`);
  return arrayDataset(columns, loaded, options);
}

interface Column {
  readonly name: string;
  readonly place: string;
  readonly source: SourceArray;
  readonly target: ElementType;
  readonly request: ArraySource;
}

async function loadColumns(
  sources: Readonly<Record<string, ArraySource>>,
  { directory, inputs, path }: DatasetOptions,
): Promise<readonly Column[]> {
  refuseUnknownInputs(Object.keys(sources), inputs, path);
  const columns: Column[] = [];
  for (const input of inputs) {
    const request = sources[input.name];
    const place = jsonPath([...path.split("."), "inputs", input.name]);
    if (request === undefined) {
      throw new DataError(`${place} is missing, but the model has an input of that name; give it an array.`);
    }
    const named = `${place} (${request.data})`;
    const target = requireElementType(input, named);
    const source = await readArray({
      file: resolvePath(directory, request.data),
      rows: request.rows,
      name: named,
    });
    if (!fitsType(source.type, target, request)) {
      throw new DataError(
        `${named} holds ${source.type}, but the model takes ${target}; save array.astype("${target}").`,
      );
    }
    requireShape(source.shape, input, named);
    requireChannels(source.shape, request, named);
    columns.push({ name: input.name, place: named, source, target, request });
  }
  return columns;
}

function refuseUnknownInputs(given: readonly string[], inputs: readonly ModelPort[], path: string): void {
  const names = inputs.map(({ name }) => name);
  for (const name of given) {
    if (names.includes(name)) continue;
    const meant = names.length === 1 ? names[0] : nearest(name, names);
    const hint =
      meant === undefined ? `its inputs are ${names.join(", ")}` : `did you mean ${JSON.stringify(meant)}?`;
    const sentence = `${jsonPath([...path.split("."), "inputs", name])} names no input of the model; ${hint}`;
    throw new DataError(sentence.endsWith("?") ? sentence : `${sentence}.`);
  }
}

/** The element type of an input, or the refusal of one that no array can feed. */
export function requireElementType(input: ModelPort, name: string): ElementType {
  if (isElementType(input.type)) return input.type;
  throw new DataError(
    `${name} feeds an input of type ${input.type}, which no array holds; export the model with a numeric input.`,
  );
}

/** Compares everything but the first axis, which counts samples; an empty shape is one the model does not state. */
export function requireShape(
  shape: readonly number[],
  input: ModelPort,
  name: string,
  remedy = "reshape the array",
): void {
  if (input.shape.length === 0) return;
  const fits =
    shape.length === input.shape.length &&
    input.shape.every((axis, position) => position === 0 || !isFixed(axis) || axis === shape[position]);
  if (fits) return;
  const expected = input.shape.map((axis, position) =>
    position === 0 ? "samples" : isFixed(axis) ? axis : "any",
  );
  throw new DataError(
    `${name} has shape [${shape.join(", ")}], but the model takes [${expected.join(", ")}]; ${remedy}.`,
  );
}

function isFixed(axis: number | string): axis is number {
  return typeof axis === "number" && axis > 0;
}

function requireChannels(shape: readonly number[], { mean, std }: ArraySource, name: string): void {
  const { channels } = channelsFirst(shape);
  for (const [key, values] of [
    ["mean", mean],
    ["std", std],
  ] as const) {
    if (values === undefined || values.length === 1 || values.length === channels) continue;
    throw new DataError(
      `${name} has ${values.length} values of ${key}, but ${channels} channels on axis 1; give 1 or ${channels}.`,
    );
  }
}

function arrayDataset(
  columns: readonly Column[],
  labels: Labels | undefined,
  options: DatasetOptions,
): Dataset {
  const [first] = columns;
  if (first === undefined)
    throw new DataError(`${options.path}.inputs feeds a model without inputs; nothing can be scored.`);
  const samples = first.source.shape[0] ?? 0;
  for (const { source, place } of columns) {
    if (source.shape[0] === samples) continue;
    throw new DataError(
      `${place} has ${source.shape[0]} samples, but ${first.place} has ${samples}; choose as many with rows.`,
    );
  }
  requireLabelCount(labels, samples, options.path);
  requireSharedAxes(columns, options.inputs);
  const cacheBytes = (options.cacheBytes ?? LARGEST_CACHE_BYTES) / columns.length;
  const ready = columns.map((column) => [column.name, arrayColumn(column, cacheBytes)] as const);
  return {
    samples,
    contentHash: hashOf(columns, labels),
    batch: (wanted) => Object.fromEntries(ready.map(([name, column]) => [name, column.take(wanted)])),
    labels: (wanted) => labels?.slice(wanted),
  };
}

export function requireLabelCount(labels: Labels | undefined, samples: number, path: string): void {
  if (labels === undefined || labels.samples === samples) return;
  throw new DataError(
    `${labels.name} has ${labels.samples} labels, but ${path} has ${samples} samples; choose as many with rows.`,
  );
}

/** A dynamic axis that several inputs name alike has one length. */
function requireSharedAxes(columns: readonly Column[], inputs: readonly ModelPort[]): void {
  const lengths = new Map<string, { readonly length: number; readonly place: string }>();
  for (const [index, { source, place }] of columns.entries()) {
    for (const [axis, symbol] of (inputs[index]?.shape ?? []).entries()) {
      const length = source.shape[axis];
      if (axis === 0 || typeof symbol !== "string" || symbol === "" || length === undefined) continue;
      const seen = lengths.get(symbol);
      if (seen !== undefined && seen.length !== length) {
        throw new DataError(
          `${place} has ${length} on axis ${axis}, which the model calls ${symbol}, but ${seen.place} has ${seen.length} there; make them equal.`,
        );
      }
      lengths.set(symbol, { length, place });
    }
  }
}

function arrayColumn({ place, source, target, request }: Column, cacheBytes: number): ArrayColumn {
  const geometry = channelsFirst(source.shape);
  const width = geometry.channels * geometry.inner;
  const isView = source.type === target && isIdentity(request);
  const column = new ArrayColumn(
    target,
    source.shape,
    (from, to) =>
      preprocess(
        source.data.subarray(from * width, to * width),
        source.type,
        target,
        request,
        geometry,
        place,
      ),
    isView ? 0 : cacheBytes,
  );
  if (!alwaysFits(source.type, target, request, geometry)) column.convertKept();
  return column;
}

function hashOf(columns: readonly Column[], labels: Labels | undefined): string {
  const inputs = columns.map(({ name, source, target, request: { scale, mean, std } }) => [
    name,
    source.sha256,
    target,
    scale,
    mean ?? null,
    std ?? null,
  ]);
  return createHash("sha256")
    .update(JSON.stringify([inputs, labels?.sha256 ?? null]))
    .digest("hex");
}
