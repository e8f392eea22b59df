import { readFile } from "node:fs/promises";
import { basename, dirname, relative, sep } from "node:path";
import type { DataSection, MetricConfiguration } from "../../../shared/configuration/engine-schema.js";
import { resolvePath } from "../../../shared/configuration/parse.js";
import type { RunConfiguration } from "../../../shared/configuration/schema.js";
import type { Workload } from "../../../shared/evaluation/workload/workload.js";
import { moduleReferenceOf } from "../../../shared/metrics/module-bundle.js";
import { decodeModel } from "../../../shared/onnx/model/codec.js";
import { externalDataFiles } from "../../../shared/onnx/model/external-data.js";
import type { WorkloadDocument, WorkloadFile } from "../../../shared/run/store/workload-document.js";
import type { S3ObjectStore } from "../../../shared/storage/s3-store.js";
import { type UploadProgress, uploadFile } from "./file-upload.js";

/**
 * Uploads a workload's files under their hashes, each only if the bucket lacks it, and returns the document
 * that describes them.
 */
export async function uploadWorkload(
  store: S3ObjectStore,
  workload: Workload,
  configurationHash: string,
  onProgress: (progress: UploadProgress) => void = () => undefined,
): Promise<WorkloadDocument> {
  const { configuration, directory, modelPath, subject } = workload;
  const names = new FileNames(directory);
  const moved = moveConfiguration(configuration, names);
  const model = decodeModel(await readFile(modelPath), modelPath);
  const modelFolder = dirname(modelPath);
  for (const file of await externalDataFiles(model, modelFolder))
    names.add(file, `model/${relative(modelFolder, file).split(sep).join("/")}`);
  const files: WorkloadFile[] = [];
  for (const [file, path] of names.entries()) {
    const folder = path.startsWith("model/") ? "models" : "data";
    files.push({ path, ...(await uploadFile(store, file, folder, onProgress)) });
  }
  return {
    version: 1,
    configuration: moved,
    configurationHash,
    files,
    outputs: subject.prepared.outputs.map(({ name, type, shape }) => ({ name, type, shape: [...shape] })),
  };
}

/** Assigns to the user's files the paths that they have in the uploaded workload. */
class FileNames {
  readonly #names = new Map<string, string>();

  constructor(private readonly directory: string) {}

  model(path: string): string {
    const file = resolvePath(this.directory, path);
    return this.add(file, `model/${basename(file)}`);
  }

  data(path: string): string {
    const file = resolvePath(this.directory, path);
    return this.add(file, `data/${this.#names.size}/${basename(file)}`);
  }

  resolve(path: string): string {
    return resolvePath(this.directory, path);
  }

  add(file: string, name: string): string {
    const known = this.#names.get(file);
    if (known !== undefined) return known;
    this.#names.set(file, name);
    return name;
  }

  entries(): Iterable<[string, string]> {
    return this.#names;
  }
}

function moveConfiguration(configuration: RunConfiguration, names: FileNames): Record<string, unknown> {
  const { model, engine } = configuration;
  const { calibration, evaluation, validation, metric } = engine;
  return {
    ...configuration,
    model: { ...model, model: names.model(model.model) },
    engine: {
      ...engine,
      ...(calibration === undefined ? {} : { calibration: moveSection(calibration, names) }),
      ...(evaluation === undefined ? {} : { evaluation: moveSection(evaluation, names) }),
      ...(validation === undefined ? {} : { validation: moveSection(validation, names) }),
      ...(metric === undefined ? {} : { metric: moveMetric(metric, names) }),
    },
  };
}

function moveSection(section: DataSection, names: FileNames): DataSection {
  const { inputs, labels } = section;
  const move = <Source extends { readonly data: string }>(source: Source): Source => {
    // The key of an array in an archive follows the archive's path after a `#`.
    const [path = "", ...member] = source.data.split("#");
    return { ...source, data: [names.data(path), ...member].join("#") };
  };
  return {
    ...section,
    ...(inputs === undefined
      ? {}
      : {
          inputs: Object.fromEntries(
            Object.entries(inputs).map(([name, source]) => [name, "data" in source ? move(source) : source]),
          ),
        }),
    ...(labels === undefined ? {} : { labels: move(labels) }),
  };
}

function moveMetric(metric: MetricConfiguration, names: FileNames): MetricConfiguration {
  if ("characters" in metric) return { ...metric, characters: names.data(metric.characters) };
  // A metric module is only named: code is never uploaded, the fleet has it from its deployment.
  return "module" in metric ? { ...metric, module: moduleReferenceOf(names.resolve(metric.module)) } : metric;
}
