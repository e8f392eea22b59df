import { createHash } from "node:crypto";
import { DataError } from "../../errors.js";
import type { ArraySource, DataSection, InputSource } from "../../run/configuration/engine-schema.js";
import { resolvePath } from "../../run/configuration/parse.js";
import { jsonPath } from "../../run/configuration/problem.js";
import { nearest } from "../../run/configuration/requirement.js";
import { ArrayColumn } from "./array-column.js";
import { readArray, type SourceArray } from "./array-file.js";
import { type ConstantInput, constantInput } from "./constant-input.js";
import { type ElementType, isElementType } from "./element-type.js";
import { type LabelSlice, type Labels, readLabels } from "./labels.js";
import { moveAxis } from "./move-axis.js";
import { alwaysFits, channelsFirst, fitsType, isIdentity, preprocess } from "./preprocessing.js";
import { type ModelPort, type Samples, sampleNumbers, type TensorValue } from "./tensor.js";

/** Preprocessed inputs that are kept, all inputs of a dataset together; beyond it batches are converted anew. */
export const LARGEST_CACHE_BYTES = 1024 ** 3;

/** What a session is fed, by the names of the model's inputs. */
export type InputBatch = Readonly<Record<string, TensorValue>>;

/** Samples that fit the model, ready to be fed to it. */
export interface Dataset {
  readonly samples: number;
  /** SHA-256 over the samples, their preprocessing and the labels, in hexadecimal. */
  readonly contentHash: string;
  /** The batch that the model's inputs prescribe, if they fix the axis that samples are stacked along. */
  readonly fixedBatch: number | undefined;
  /** Inputs of some samples, in the order asked for; a promise where images are decoded. */
  batch(samples: Samples): InputBatch | Promise<InputBatch>;
  /** Labels of the same samples, where the section has labels. */
  labels(samples: Samples): LabelSlice | undefined;
  /** How messages name some samples: section, file and row. */
  locate(samples: Samples): string;
  /** Those of some samples whose inputs go furthest, as a model may not take every number: positions and tokens. */
  extremes(among: readonly number[]): readonly number[];
  /** Names each sample by its content, so that samples of two sections can be told to be the same. */
  sampleKeys(): Promise<readonly string[]>;
  /**
   * Reads those of some samples that are not in memory yet.
   *
   * @throws DataError when one cannot be read
   */
  verify(samples: readonly number[]): Promise<void>;
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
  const loadedInputs = await loadInputs(inputs ?? {}, options);
  const loaded =
    labels === undefined ? undefined : await readLabels(labels, options.directory, `${options.path}.labels`);
  return arrayDataset(loadedInputs, loaded, options);
}

interface Column {
  readonly name: string;
  readonly place: string;
  readonly source: SourceArray;
  readonly target: ElementType;
  readonly request: ArraySource;
  readonly input: ModelPort;
  /** The axis of the model's input that samples are stacked along. */
  readonly batchAxis: number;
}

/** What an input is fed that is the same for all samples. */
interface Constant {
  readonly name: string;
  readonly value: InputSource;
  readonly target: ElementType;
  readonly take: ConstantInput;
}

interface Inputs {
  readonly columns: readonly Column[];
  readonly constants: readonly Constant[];
}

async function loadInputs(
  sources: Readonly<Record<string, InputSource>>,
  { directory, inputs, path }: DatasetOptions,
): Promise<Inputs> {
  refuseUnknownInputs(Object.keys(sources), inputs, path);
  const columns: Column[] = [];
  const constants: Constant[] = [];
  for (const input of inputs) {
    const request = sources[input.name];
    const place = jsonPath([...path.split("."), "inputs", input.name]);
    if (request === undefined) {
      throw new DataError(
        `${place} is missing, but the model has an input of that name; give it an array, or a value that is the same for all samples.`,
      );
    }
    if ("data" in request) columns.push(await loadColumn(request, input, place, directory));
    else {
      const target = requireElementType(input, place);
      const take = constantInput(request, { ...input, type: target }, `${place}.value`);
      constants.push({ name: input.name, value: request, target, take });
    }
  }
  return { columns, constants };
}

async function loadColumn(
  request: ArraySource,
  input: ModelPort,
  place: string,
  directory: string,
): Promise<Column> {
  const named = `${place} (${request.data})`;
  const target = requireElementType(input, named);
  const batchAxis = requireBatchAxis(request, input, place);
  const read = await readArray({
    file: resolvePath(directory, request.data),
    rows: request.rows,
    name: named,
  });
  if (!fitsType(read.type, target, request)) {
    throw new DataError(
      `${named} holds ${read.type}, but the model takes ${target}; save array.astype("${target}").`,
    );
  }
  const source = { ...read, shape: withoutBatchAxis(read.shape, request, input) };
  requireShape(source.shape, sampleFirst(input, batchAxis), named);
  requireChannels(source.shape, request, named);
  return { name: input.name, place: named, source, target, request, input, batchAxis };
}

function requireBatchAxis(
  { batch_axis: axis = 0 }: ArraySource,
  { shape }: ModelPort,
  place: string,
): number {
  if (shape.length === 0 || axis < shape.length) return axis;
  throw new DataError(
    `${place}.batch_axis is ${axis}, but the model's input has ${shape.length} axes; give 0 to ${shape.length - 1}.`,
  );
}

/** The array's shape without the axis that a sample keeps for the batch, of length 1, where it has one. */
function withoutBatchAxis(
  shape: readonly number[],
  { batch_axis: axis }: ArraySource,
  input: ModelPort,
): readonly number[] {
  if (axis === undefined || shape[axis + 1] !== 1) return shape;
  const hasOwn = input.shape.length === 0 ? shape.length > axis + 1 : shape.length === input.shape.length + 1;
  return hasOwn ? shape.filter((_, position) => position !== axis + 1) : shape;
}

/** The input as arrays hold it: the axis of the samples first. */
function sampleFirst(input: ModelPort, batchAxis: number): ModelPort {
  const { shape } = input;
  if (batchAxis === 0 || shape.length === 0) return input;
  return { ...input, shape: [shape[batchAxis]!, ...shape.filter((_, axis) => axis !== batchAxis)] };
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
  remedy = remedyOf(shape, input.shape),
): void {
  if (input.shape.length === 0 || fits(shape, input.shape)) return;
  const expected = input.shape.map((axis, position) =>
    position === 0 ? "samples" : isFixed(axis) ? axis : "any",
  );
  throw new DataError(
    `${name} has shape [${shape.join(", ")}], but the model takes [${expected.join(", ")}]; ${remedy}.`,
  );
}

function fits(shape: readonly number[], expected: ModelPort["shape"]): boolean {
  return (
    shape.length === expected.length &&
    expected.every((axis, position) => position === 0 || !isFixed(axis) || axis === shape[position])
  );
}

/** Orders of axes that exporters and datasets differ in. */
const ORDERS = [
  [0, 3, 1, 2],
  [0, 2, 3, 1],
  [0, 2, 1],
  [0, 4, 1, 2, 3],
  [0, 2, 3, 4, 1],
];

/** Reshaping an array of other axes would mix its values up, so a remedy is as exact as the shapes allow. */
function remedyOf(shape: readonly number[], expected: ModelPort["shape"]): string {
  const order = ORDERS.find(
    (axes) =>
      axes.length === shape.length &&
      fits(
        axes.map((axis) => shape[axis]!),
        expected,
      ),
  );
  if (order !== undefined) {
    return `the axes are in another order, so transpose with (${order.join(", ")}): save numpy.ascontiguousarray(array.transpose(${order.join(", ")}))`;
  }
  const kept = expected.findIndex(
    (_, axis) =>
      axis > 0 &&
      shape.length === expected.length + 1 &&
      shape[axis + 1] === 1 &&
      expected.every((length, k) => k === axis || !isFixed(length) || length === shape[k + 1]),
  );
  if (kept > 0) return `if samples are stacked along axis ${kept} of the input, say "batch_axis": ${kept}`;
  return shape.length === expected.length ? "save an array of that shape" : "reshape the array";
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
  { columns, constants }: Inputs,
  labels: Labels | undefined,
  options: DatasetOptions,
): Dataset {
  const [first] = columns;
  if (first === undefined) {
    const why =
      constants.length > 0 ? "holds values alone, which count no samples" : "feeds a model without inputs";
    throw new DataError(`${options.path}.inputs ${why}; give an array for at least one input of the model.`);
  }
  const samples = first.source.shape[0] ?? 0;
  for (const { source, place } of columns) {
    if (source.shape[0] === samples) continue;
    throw new DataError(
      `${place} has ${source.shape[0]} samples, but ${first.place} has ${samples}; choose as many with rows.`,
    );
  }
  requireLabelCount(labels, samples, options.path);
  requireSharedAxes(columns);
  const cacheBytes = (options.cacheBytes ?? LARGEST_CACHE_BYTES) / columns.length;
  const ready = columns.map((column) => ({ ...column, values: arrayColumn(column, cacheBytes) }));
  return {
    samples,
    contentHash: hashOf(columns, constants, labels),
    fixedBatch: requireFixedBatch(columns),
    batch: (wanted) =>
      Object.fromEntries([
        ...ready.map(({ name, values, batchAxis }) => [name, moveAxis(values.take(wanted), 0, batchAxis)]),
        ...constants.map(({ name, take }) => [name, take(sampleNumbers(wanted).length)]),
      ]) as InputBatch,
    labels: (wanted) => labels?.slice(wanted),
    locate: (wanted) => locate(columns, sampleNumbers(wanted)),
    extremes: (among) => extremesOf(columns, among),
    sampleKeys: async () => sampleKeys(columns, samples),
    // Arrays are read when they are opened.
    verify: async () => undefined,
  };
}

/** Of the values as they stand in the files: the same sample is the same row in any file of that type. */
function sampleKeys(columns: readonly Column[], samples: number): readonly string[] {
  const rows = columns.map(({ source: { data } }) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { bytes, width: bytes.length / samples };
  });
  return Array.from({ length: samples }, (_, sample) => {
    const hash = createHash("sha1");
    for (const { bytes, width } of rows) hash.update(bytes.subarray(sample * width, (sample + 1) * width));
    return hash.digest("base64");
  });
}

/** `engine.evaluation.inputs.ids (ids.npy), row 7`; rows are those of the file. */
function locate(columns: readonly Column[], samples: readonly number[]): string {
  const shown = columns.map(({ place, request: { rows: [from] = [0] } }) => {
    const numbers = samples.map((sample) => sample + from).sort((a, b) => a - b);
    const [low, high] = [numbers[0]!, numbers.at(-1)!];
    return `${place}, ${low === high ? `row ${low}` : `rows ${low} to ${high}`}`;
  });
  return shown.join(", and ");
}

/** A sample of the least and one of the greatest number of each input. */
function extremesOf(columns: readonly Column[], among: readonly number[]): readonly number[] {
  const found = columns.flatMap(({ source }): number[] => {
    const [first] = among;
    // Halves are held by their bits, whose order is not that of the numbers.
    if (source.type === "float16" || first === undefined) return [];
    const { data } = source;
    const width = data.length / source.shape[0]!;
    let [least, greatest] = [first * width, first * width];
    for (const sample of among) {
      for (let index = sample * width; index < (sample + 1) * width; index++) {
        if (data[index]! < data[least]!) least = index;
        if (data[index]! > data[greatest]!) greatest = index;
      }
    }
    return [Math.floor(least / width), Math.floor(greatest / width)];
  });
  return [...new Set(found)];
}

/** All inputs' samples are stacked to one number, which an input can fix. */
function requireFixedBatch(columns: readonly Column[]): number | undefined {
  const lengths = columns.map((column) => ({ column, length: column.input.shape[column.batchAxis] }));
  const fixed = lengths.filter(({ length }) => length !== undefined && isFixed(length));
  const [first] = fixed;
  for (const { column, length } of fixed) {
    if (length === first!.length) continue;
    throw new DataError(
      `${column.place} is stacked along axis ${column.batchAxis}, where the model takes ${length}, but ${first!.column.place} along one where it takes ${first!.length}; name the axis of each that counts samples as batch_axis.`,
    );
  }
  const free = lengths.find(({ length }) => length !== undefined && !isFixed(length));
  for (const { column, length } of free === undefined ? [] : fixed) {
    const { input, batchAxis } = column;
    const other = input.shape.findIndex((axis, position) => position !== batchAxis && !isFixed(axis));
    // A model that takes one sample at a time is no contradiction to inputs that could take more.
    if (length === 1 || other < 0 || column.request.batch_axis !== undefined) continue;
    throw new DataError(
      `${column.place} is stacked along axis ${batchAxis}, which the model fixes at ${length}, while ${free!.column.place} takes any number of samples; name the axis that counts samples, such as "batch_axis": ${other}.`,
    );
  }
  return first?.length as number | undefined;
}

export function requireLabelCount(labels: Labels | undefined, samples: number, path: string): void {
  if (labels === undefined || labels.samples === samples) return;
  throw new DataError(
    `${labels.name} has ${labels.samples} labels, but ${path} has ${samples} samples; choose as many with rows.`,
  );
}

/** A dynamic axis that several inputs name alike has one length. */
function requireSharedAxes(columns: readonly Column[]): void {
  const lengths = new Map<string, { readonly length: number; readonly place: string }>();
  for (const { source, place, input, batchAxis } of columns) {
    for (const [axis, symbol] of sampleFirst(input, batchAxis).shape.entries()) {
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

function hashOf(
  columns: readonly Column[],
  constants: readonly Constant[],
  labels: Labels | undefined,
): string {
  const inputs = columns.map(
    ({ name, source, target, request: { scale, mean, std, batch_axis: batchAxis = 0 } }) => [
      name,
      source.sha256,
      target,
      scale,
      mean ?? null,
      std ?? null,
      ...(batchAxis === 0 ? [] : [batchAxis]),
    ],
  );
  const values = constants.map(({ name, target, value }) => [name, target, value]);
  return createHash("sha256")
    .update(JSON.stringify([inputs, labels?.sha256 ?? null, ...(values.length === 0 ? [] : [values])]))
    .digest("hex");
}
