import { createHash } from "node:crypto";
import { DataError } from "../basics/errors.js";
import type { ArraySource, InputSource } from "../configuration/engine-schema.js";
import { resolvePath } from "../configuration/parse.js";
import type { ElementType } from "../runtime/element-type.js";
import type { InputBatch } from "../runtime/input-batch.js";
import { type ModelPort, sampleNumbers } from "../runtime/tensor.js";
import { jsonPath } from "../validation/problem.js";
import { nearest } from "../validation/requirement.js";
import { ArrayColumn } from "./array-column.js";
import { readArray, type SourceArray } from "./array-file.js";
import { type ConstantInput, constantInput } from "./constant-input.js";
import { type Dataset, type DatasetOptions, LARGEST_CACHE_BYTES } from "./dataset.js";
import { isFixed, requireElementType, requireLabelCount, requireShape } from "./input-checks.js";
import type { Labels } from "./labels.js";
import { moveAxis } from "./move-axis.js";
import { alwaysFits, channelsFirst, fitsType, isIdentity, preprocess } from "./preprocessing.js";

interface Column {
  readonly name: string;
  readonly place: string;
  readonly source: SourceArray;
  readonly target: ElementType;
  readonly request: ArraySource;
  readonly input: ModelPort;
  /** Axis of the model's input along which samples are stacked. */
  readonly batchAxis: number;
}

/** A model input with the same value for all samples. */
interface Constant {
  readonly name: string;
  readonly value: InputSource;
  readonly target: ElementType;
  readonly take: ConstantInput;
}

export interface Inputs {
  readonly columns: readonly Column[];
  readonly constants: readonly Constant[];
}

/** Reads the arrays and constant values of a data section, in the order of the model's inputs. */
export async function loadInputs(
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

/**
 * The array's shape without the axis of length 1 that stands for the model's batch axis within each sample, where
 * the array has one besides the axis of samples.
 */
function withoutBatchAxis(
  shape: readonly number[],
  { batch_axis: axis }: ArraySource,
  input: ModelPort,
): readonly number[] {
  if (axis === undefined || shape[axis + 1] !== 1) return shape;
  const hasOwn = input.shape.length === 0 ? shape.length > axis + 1 : shape.length === input.shape.length + 1;
  return hasOwn ? shape.filter((_, position) => position !== axis + 1) : shape;
}

/** The model's input with the sample axis moved to the front, where arrays have it. */
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

/** Creates a dataset of array inputs, one array per input. */
export function arrayDataset(
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
    // Nothing to do: arrays were read completely when they were opened.
    verify: async () => undefined,
  };
}

/** A hash of each sample's unconverted values: the same sample has the same key in any file of that type. */
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

/** A place such as `engine.evaluation.inputs.ids (ids.npy), row 7`; rows are counted in the file. */
function locate(columns: readonly Column[], samples: readonly number[]): string {
  const shown = columns.map(({ place, request: { rows: [from] = [0] } }) => {
    const numbers = samples.map((sample) => sample + from).sort((a, b) => a - b);
    const [low, high] = [numbers[0]!, numbers.at(-1)!];
    return `${place}, ${low === high ? `row ${low}` : `rows ${low} to ${high}`}`;
  });
  return shown.join(", and ");
}

/** Indices of the samples that hold the smallest and the largest value of each input. */
function extremesOf(columns: readonly Column[], among: readonly number[]): readonly number[] {
  const found = columns.flatMap(({ source }): number[] => {
    const [first] = among;
    // Half-precision values are bit patterns, whose order is not that of the numbers.
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

/**
 * The batch size that the model's inputs fix, checked to be the same for all of them; `undefined` when none fixes
 * it.
 */
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
    // A batch size fixed at 1 does not contradict inputs of any batch size.
    if (length === 1 || other < 0 || column.request.batch_axis !== undefined) continue;
    throw new DataError(
      `${column.place} is stacked along axis ${batchAxis}, which the model fixes at ${length}, while ${free!.column.place} takes any number of samples; name the axis that counts samples, such as "batch_axis": ${other}.`,
    );
  }
  return first?.length as number | undefined;
}

/** Checks that a dynamic axis which several inputs share by name has one length. */
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
  if (!alwaysFits(source.type, target, request, geometry)) column.convertCached();
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
