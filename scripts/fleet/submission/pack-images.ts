import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ArraySource, DataSection } from "../../../shared/configuration/engine-schema.js";
import type { ConfigurationFor } from "../../../shared/configuration/supported.js";
import type { Dataset } from "../../../shared/data/dataset.js";
import type { LabelSlice } from "../../../shared/data/labels.js";
import { loadDataset } from "../../../shared/data/load-dataset.js";
import type { ElementType } from "../../../shared/runtime/element-type.js";
import type { ModelPort } from "../../../shared/runtime/tensor.js";
import { writing } from "../../../shared/storage/write-error.js";
import { writeWhole } from "../../api/output-folder.js";

/** Number of images that are decoded and written at a time. */
const BATCH = 64;

/** numpy's names of the element types that images are converted to. */
const NPY_TYPES: Partial<Record<ElementType, string>> = {
  float16: "<f2",
  float32: "<f4",
  float64: "<f8",
  uint8: "|u1",
  int8: "|i1",
  uint16: "<u2",
  int16: "<i2",
  uint32: "<u4",
  int32: "<i4",
};

const UNSCALED = { scale: 1, mean: undefined, std: undefined } as const;

/**
 * Replaces folders of images in a configuration by arrays, for workers without an image decoder. Each image
 * is decoded once on this machine, as `tune` does, so scores are identical.
 *
 * @param folder where the arrays are written
 * @throws {DataError} as `loadDataset`
 * @throws {RunError} when an array cannot be written, such as on a full disk
 */
export async function packImages(
  configuration: ConfigurationFor<"tune">,
  directory: string,
  inputs: readonly ModelPort[],
  folder: string,
): Promise<ConfigurationFor<"tune">> {
  const { engine } = configuration;
  const pack = (section: DataSection, name: string): Promise<DataSection> =>
    packSection(section, name, { directory, inputs, folder });
  const { calibration, evaluation, validation } = engine;
  return {
    ...configuration,
    engine: {
      ...engine,
      calibration: await pack(calibration, "calibration"),
      evaluation: await pack(evaluation, "evaluation"),
      ...(validation === undefined ? {} : { validation: await pack(validation, "validation") }),
    },
  };
}

export function hasImages({ engine }: ConfigurationFor<"tune">): boolean {
  return [engine.calibration, engine.evaluation, engine.validation].some(
    (section) => section?.images !== undefined,
  );
}

interface PackOptions {
  readonly directory: string;
  readonly inputs: readonly ModelPort[];
  readonly folder: string;
}

async function packSection(section: DataSection, name: string, options: PackOptions): Promise<DataSection> {
  const { directory, inputs, folder } = options;
  if (section.images === undefined) return section;
  const [input] = inputs;
  const load = (what: DataSection): Promise<Dataset> =>
    loadDataset(what, { directory, inputs, path: `engine.${name}`, cacheBytes: 0 });
  // The section is loaded unchanged first, so that errors refer to it as the user wrote it.
  let dataset = await load(section);
  let scaling: Omit<ArraySource, "data"> = { scale: 1 };
  const { preprocess } = section;
  const bytes = input?.type === "float32" && isPerPlane(preprocess);
  if (bytes && preprocess !== undefined) {
    // Pixels are stored as 8-bit values and scaled by the workers, which takes a quarter of the bytes.
    dataset = await load({ ...section, preprocess: { ...preprocess, ...UNSCALED } });
    const { scale, mean, std } = preprocess;
    scaling = { scale, mean, std };
  }
  const data = join(folder, `${name}.npy`);
  await writing(data, () => writeSamples(dataset, bytes, data));
  const labels = dataset.labels({ from: 0, to: dataset.samples });
  return {
    inputs: { [input?.name ?? ""]: { data, ...scaling } satisfies ArraySource },
    ...(labels === undefined ? {} : { labels: { data: await writeLabels(labels, join(folder, name)) } }),
  };
}

/**
 * Whether 8-bit pixels can be stored and scaled later as an array, whose channels are on axis 1: the images'
 * layout is NCHW, or scaling is the same for all channels.
 */
function isPerPlane(preprocess: DataSection["preprocess"]): boolean {
  if (preprocess === undefined || preprocess.layout === "NCHW") return true;
  return (preprocess.mean?.length ?? 1) === 1 && (preprocess.std?.length ?? 1) === 1;
}

async function writeSamples(dataset: Dataset, asBytes: boolean, file: string): Promise<void> {
  const handle = await open(file, "w");
  try {
    for (let from = 0; from < dataset.samples; from += BATCH) {
      const batch = await dataset.batch({ from, to: Math.min(from + BATCH, dataset.samples) });
      for (const { type, dims, data } of Object.values(batch)) {
        const values = asBytes ? Uint8Array.from(data as Float32Array) : data;
        const shape = [dataset.samples, ...dims.slice(1)];
        // `writeFile`, unlike `write`, never stops half-way without an error.
        if (from === 0) await handle.writeFile(npyHeader(asBytes ? "uint8" : (type as ElementType), shape));
        await handle.writeFile(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
    }
  } finally {
    await handle.close();
  }
}

async function writeLabels(labels: LabelSlice, path: string): Promise<string> {
  if (labels.kind === "lines") {
    await writeWhole(`${path}.txt`, labels.lines.map((line) => `${line}\n`).join(""));
    return `${path}.txt`;
  }
  // Labels from folders are class indices.
  const values = Int32Array.from(labels.data, Number);
  const body = new Uint8Array(values.buffer);
  await writeWhole(`${path}-labels.npy`, Buffer.concat([npyHeader("int32", labels.shape), body]));
  return `${path}-labels.npy`;
}

/** A header of numpy's format, version 1, padded so that the data start at a multiple of 64 bytes. */
function npyHeader(type: ElementType, shape: readonly number[]): Uint8Array {
  const descr = NPY_TYPES[type];
  if (descr === undefined) throw new TypeError(`images do not become ${type}`);
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const fields = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${axes}), }`;
  const prefix = 10;
  const length = Math.ceil((prefix + fields.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, " ");
  header.write("\x93NUMPY\x01\x00", 0, "latin1");
  header.writeUInt16LE(length - prefix, 8);
  header.write(fields, prefix, "latin1");
  header.write("\n", length - 1, "latin1");
  return header;
}
