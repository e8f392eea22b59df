import * as z from "zod";
import { sha256Schema, storeKeySchema } from "../../basics/identifiers.js";
import { validateConfiguration } from "../../configuration/parse.js";
import { type ConfigurationFor, requireSupported } from "../../configuration/supported.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { putImmutable } from "../../storage/retrying-store.js";
import { runPrefix } from "../protocol/record-keys.js";
import { getBounded } from "./bounded-record.js";
import { DamagedRecordError } from "./damaged-record.js";

/**
 * Maximum size of all files of a workload (model and data): Lambda's temporary storage has at most 10 GiB,
 * and files derived from them need the rest.
 */
const MAX_WORKLOAD_BYTES = 8 * 2 ** 30;
/** Maximum size of a workload document in bytes. */
const MAX_DOCUMENT_BYTES = 8 * 2 ** 20;
const MAX_FILES = 1_000;
const MAX_DIMENSIONS = 64;
const MAX_NAME = 1_024;

/** A relative path that cannot leave its folder on any platform. */
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

/** Model, data and configuration of a run, for workers without access to the submitter's disk. */
export const workloadDocumentSchema = z.strictObject({
  version: z.literal(1),
  /** The configuration, with its paths made relative to the folder of `files`. */
  configuration: z.record(z.string(), z.unknown()),
  /** Hash of the configuration with its original paths, equal to that of a local run. */
  configurationHash: sha256Schema,
  files: z
    .array(fileSchema)
    .min(1)
    .max(MAX_FILES)
    .refine((files) => files.reduce((sum, { bytes }) => sum + bytes, 0) <= MAX_WORKLOAD_BYTES, {
      error: `the files have more than ${MAX_WORKLOAD_BYTES} bytes together`,
    }),
  /** The model's outputs, so that a metric can be created without ONNX Runtime. */
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
 * Writes a run's workload document, which is immutable; call it before requesting the run.
 *
 * @returns whether it is stored; if not, the run id belongs to other work
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
 * Reads the workload document of a run.
 *
 * @returns `undefined` if there is no such run
 * @throws DamagedRecordError if it is not what this version writes
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

/** The configuration in a workload document, with its paths resolved against `directory`. */
export function workloadConfiguration(
  document: WorkloadDocument,
  directory: string,
): ConfigurationFor<"tune"> {
  // The configuration is validated here, because the document may come from anywhere.
  const { configuration } = validateConfiguration(
    document.configuration as Parameters<typeof validateConfiguration>[0],
    { directory, file: "workload.json" },
  );
  requireSupported(configuration, "tune");
  return configuration;
}

/**
 * Of a workload's files, those that gathering statistics needs: the files of the model and of the calibration
 * samples.
 */
export function calibrationFiles(
  { files }: WorkloadDocument,
  { engine }: Pick<ConfigurationFor<"tune">, "engine">,
): readonly WorkloadFile[] {
  const { inputs = {}, labels } = engine.calibration;
  const arrays = Object.values(inputs).flatMap((source) => ("data" in source ? [source] : []));
  const sources = [...arrays, ...(labels === undefined ? [] : [labels])];
  // A path may name a member of an archive after "#".
  const named = new Set(sources.map(({ data }) => data.split("#")[0]));
  return files.filter(({ path }) => path.startsWith("model/") || named.has(path));
}
