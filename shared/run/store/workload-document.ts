import * as z from "zod";
import { sha256Schema, storeKeySchema } from "../../basics/identifiers.js";
import { validateConfiguration } from "../../configuration/parse.js";
import { type ConfigurationFor, requireSupported } from "../../configuration/supported.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { putImmutable } from "../../storage/retrying-store.js";
import { runPrefix } from "../protocol/record-keys.js";
import { getBounded } from "./bounded-record.js";
import { DamagedRecordError } from "./damaged-record.js";

/** Lambda's temporary storage holds 10 GiB; the rest is for what is made of the files. */
const MAX_WORKLOAD_BYTES = 8 * 2 ** 30;
/** Of the document itself. */
const MAX_DOCUMENT_BYTES = 8 * 2 ** 20;
const MAX_FILES = 1_000;
const MAX_DIMENSIONS = 64;
const MAX_NAME = 1_024;

/** A path that stays inside the folder it is put in, on every platform. */
const relativePathSchema = z
  .string()
  .min(1)
  .max(MAX_NAME)
  .refine(
    (path) =>
      !/[\\:\0]/.test(path) && path.split("/").every((part) => part !== "" && !/^\.{1,2}$/.test(part)),
    { error: "the path could leave its folder" },
  );

const fileSchema = z.strictObject({
  path: relativePathSchema,
  key: storeKeySchema,
  bytes: z.int().min(0).max(MAX_WORKLOAD_BYTES),
  sha256: sha256Schema,
});

/** What a run works on, for workers that do not share a disk with whoever asked for it. */
export const workloadDocumentSchema = z.strictObject({
  version: z.literal(1),
  /** The configuration with its paths made relative to the folder of `files`. */
  configuration: z.record(z.string(), z.unknown()),
  /** Of the configuration with its own paths, as on one machine. */
  configurationHash: sha256Schema,
  files: z
    .array(fileSchema)
    .min(1)
    .max(MAX_FILES)
    .refine((files) => files.reduce((sum, { bytes }) => sum + bytes, 0) <= MAX_WORKLOAD_BYTES, {
      error: `the files have more than ${MAX_WORKLOAD_BYTES} bytes together`,
    }),
  /** The model's outputs, so that a metric can be made where there is no ONNX Runtime. */
  outputs: z
    .array(
      z.strictObject({
        name: z.string().max(MAX_NAME),
        type: z.string().max(MAX_NAME),
        shape: z.array(z.union([z.number(), z.string().max(MAX_NAME)])).max(MAX_DIMENSIONS),
      }),
    )
    .max(MAX_FILES),
});

export type WorkloadFile = Readonly<z.infer<typeof fileSchema>>;
export type WorkloadDocument = Readonly<z.infer<typeof workloadDocumentSchema>>;

const workloadKey = (runId: string): string => `${runPrefix(runId)}workload.json`;

/**
 * Writes the document, which never changes; do it before the run is requested.
 * @returns whether it is there; if not, the run's name was given to other work
 */
export async function writeWorkloadDocument(
  store: ObjectStore,
  runId: string,
  document: WorkloadDocument,
): Promise<boolean> {
  const checked = Buffer.from(JSON.stringify(workloadDocumentSchema.parse(document)));
  if (await putImmutable(store, workloadKey(runId), checked)) return true;
  const stored = await getBounded(store, workloadKey(runId), MAX_DOCUMENT_BYTES);
  return stored !== undefined && checked.equals(stored.body);
}

/**
 * @returns `undefined` where there is no such run
 * @throws DamagedRecordError when it is not what this version writes
 */
export async function readWorkloadDocument(
  store: ObjectStore,
  runId: string,
): Promise<WorkloadDocument | undefined> {
  const key = workloadKey(runId);
  const stored = await getBounded(store, key, MAX_DOCUMENT_BYTES);
  if (stored === undefined) return undefined;
  try {
    return workloadDocumentSchema.parse(JSON.parse(Buffer.from(stored.body).toString("utf8")));
  } catch (error) {
    throw new DamagedRecordError(key, "does not have the shape that this version writes", { cause: error });
  }
}

/** The document's configuration, for files that lie in `directory`. */
export function workloadConfiguration(
  document: WorkloadDocument,
  directory: string,
): ConfigurationFor<"tune"> {
  // What a configuration is made of is checked here, whatever the document says.
  const { configuration } = validateConfiguration(
    document.configuration as Parameters<typeof validateConfiguration>[0],
    { directory, file: "workload.json" },
  );
  requireSupported(configuration, "tune");
  return configuration;
}

/** The files that statistics are gathered of: the model's and the calibration samples'. */
export function calibrationFiles(
  { files }: WorkloadDocument,
  { engine }: Pick<ConfigurationFor<"tune">, "engine">,
): readonly WorkloadFile[] {
  const { inputs = {}, labels } = engine.calibration;
  const arrays = Object.values(inputs).flatMap((source) => ("data" in source ? [source] : []));
  const sources = [...arrays, ...(labels === undefined ? [] : [labels])];
  // An archive's member stands behind the path.
  const named = new Set(sources.map(({ data }) => data.split("#")[0]));
  return files.filter(({ path }) => path.startsWith("model/") || named.has(path));
}
