import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { DataError, ModelError, UsageError } from "../../shared/basics/errors.js";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import { readWholeModel } from "../../shared/evaluation/model/model-file.js";
import { isFloating } from "../../shared/runtime/element-type.js";
import { DEFAULT_SESSION, openSession, type PortInfo, portsOf } from "../../shared/runtime/session.js";
import { type CommentedSection, commentedJson } from "./commented-json.js";
import { evaluate } from "./evaluate.js";
import { writeWhole } from "./output-folder.js";
import { findSamples, type SampleSource } from "./sample-sources.js";
import { splitByClass, splitSizes } from "./sample-split.js";
import { schemaPath } from "./schema-path.js";

export interface InitOptions {
  /** Paths of the samples: a folder of images, or arrays (`.npy` and `.npz` files, or a folder of them). */
  readonly data: readonly string[];
  /** Path of the configuration to write; `config.json` when left out. */
  readonly out?: string;
  /** Whether existing files may be replaced. */
  readonly force?: boolean;
}

export interface InitResult {
  /** Path of the configuration that was written. */
  readonly config: string;
  /** Paths of all files that were written: the configuration and its lists of images. */
  readonly files: readonly string[];
  /** What was found out or assumed about the model and the samples, a sentence each. */
  readonly notes: readonly string[];
}

type Engine = NonNullable<RunConfigurationInput["engine"]>;
type DataSection = NonNullable<Engine["evaluation"]>;
type Preprocessing = NonNullable<DataSection["preprocess"]>;

/** Names of a configuration's data sections, one for each of the three parts of the samples. */
const PARTS = ["calibration", "evaluation", "validation"] as const;
type Part = (typeof PARTS)[number];

/** Op types that only quantized models have. */
const QUANTIZERS: ReadonlySet<string> = new Set([
  "QuantizeLinear",
  "DequantizeLinear",
  "DynamicQuantizeLinear",
]);

/** Number of samples on which ways to preprocess pixels are compared. */
const TRIED_SAMPLES = 100;
const BYTE_SCALE = 1 / 255;
/**
 * Accuracy bound written for metric `sqnr`: percent by which the noise of the outputs may grow, relative to the
 * signal's amplitude.
 */
const SQNR_LOSS = 20;
/** Mean and standard deviation of ImageNet's pixels (0 to 1; red, green, blue), as torchvision's models take them. */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Ways to scale pixels from 0 to 255 to a model's input values, the most usual way first. */
const SCALINGS: readonly {
  readonly label: string;
  readonly settings: Preprocessing;
  readonly colours?: true;
}[] = [
  { label: "0 to 1", settings: { scale: BYTE_SCALE } },
  { label: "ImageNet's mean and std", settings: { scale: BYTE_SCALE, ...IMAGENET }, colours: true },
  { label: "-1 to 1", settings: { scale: BYTE_SCALE, mean: [0.5], std: [0.5] } },
  { label: "0 to 255", settings: {} },
];

/**
 * Writes a configuration for a model and its samples that `quantize` and `tune` run as it is: inputs matched to
 * arrays or images, samples split for calibration, evaluation and validation without overlap, and, where there are
 * labels, the preprocessing of pixels with which the float model is most accurate.
 *
 * @throws {ModelError | DataError} when the model cannot be read, or the data do not fit it
 * @throws {UsageError} when a file is there already
 */
export async function init(
  model: string,
  { data, out = "config.json", force = false }: InitOptions,
): Promise<InitResult> {
  const parsed = await readWholeModel(model);
  if (parsed.graph.node.some(({ opType }) => QUANTIZERS.has(opType))) {
    throw new ModelError(`${model} is quantized already; give the float model.`);
  }
  const session = await openSession(model, DEFAULT_SESSION);
  const { inputs, outputs } = portsOf(session);
  await session.release();
  if (data.length === 0) {
    throw new UsageError(
      `No data is given, and the model takes ${inputs.map(describePort).join(", ")}; give a folder of images, or a .npy file for each input.`,
    );
  }
  const directory = resolve(dirname(out));
  const source = await findSamples(data, inputs);
  if (source.samples < 4) {
    throw new DataError(
      `${data.join(", ")} holds ${source.samples} samples; give 4 at least, better 200 and more.`,
    );
  }
  const notes: string[] = [];
  const lists = new Map<Part, string>();
  // Lists of images are named after the configuration, so that one folder can hold several.
  const listName = (part: Part): string => `${basename(out, extname(out))}.${part}.txt`;
  const base = describeSamples(source, inputs, directory, listName, lists, notes);
  const metric = chooseMetric(source, outputs, notes);
  const document = (sections: ReadonlyMap<Part, DataSection>): RunConfigurationInput => ({
    model: { model_name: basename(model, extname(model)), model: pathFrom(directory, model) },
    engine: {
      calibration: withoutLabels(sections.get("calibration")!),
      evaluation: sections.get("evaluation")!,
      ...(sections.has("validation") ? { validation: sections.get("validation")! } : {}),
      metric,
    },
    optimizer: {
      name: "Tpe",
      params: { max_trials: 100, accuracy_loss: metric?.name === "sqnr" ? SQNR_LOSS : 1, seed: 1 },
    },
    compression: {
      target_device: "CPU",
      ...(isTransformer(parsed.graph.node.map(({ opType }) => opType))
        ? { model_type: "transformer" as const }
        : {}),
    },
  });
  const written = [out, ...[...lists.keys()].map((part) => join(dirname(out), listName(part)))];
  const taken = force ? undefined : written.find((file) => existsSync(file));
  if (taken !== undefined) {
    throw new UsageError(`${taken} is there already; give another path by --out, or --force to replace it.`);
  }
  const trying = { source, inputs, document, directory, model, metric: metric?.name };
  try {
    for (const [part, text] of lists) await writeWhole(join(directory, listName(part)), text);
    const sections = await preprocessed(base, trying, notes);
    await writeWhole(out, commentedJson(describeDocument(document(sections), directory)));
  } catch (error) {
    // A list of images left without its configuration would make the next `init` refuse to overwrite it.
    if (!force) for (const file of written) await rm(file, { force: true });
    throw error;
  }
  return { config: out, files: written, notes };
}

function describePort({ name, type, shape }: PortInfo): string {
  return `${JSON.stringify(name)} (${type} [${shape.map((axis) => axis || "any").join(", ")}])`;
}

/** A path as the configuration names it: relative to the configuration's folder, with forward slashes. */
function pathFrom(directory: string, path: string): string {
  const [file, key] = path.split("#") as [string, string | undefined];
  const found = relative(directory, resolve(file)).replaceAll("\\", "/");
  return key === undefined ? found : `${found}#${key}`;
}

function withoutLabels({ labels: _, ...section }: DataSection): DataSection {
  // With images, the labels file is also the list of the images, so it stays.
  return section.images === undefined ? section : { ...section, ...(_ === undefined ? {} : { labels: _ }) };
}

/**
 * The configuration's data sections, still without the preprocessing of pixels. Adds to `lists` the files that
 * name images, and to `notes` sentences for the user.
 */
function describeSamples(
  source: SampleSource,
  inputs: readonly PortInfo[],
  directory: string,
  listName: (part: Part) => string,
  lists: Map<Part, string>,
  notes: string[],
): ReadonlyMap<Part, DataSection> {
  const sections = new Map<Part, DataSection>();
  if (source.kind === "images") {
    const { folder, files, classes, samples } = source;
    notes.push(
      classes === undefined
        ? `${samples} images without labels, as ${source.unlabelled}.`
        : `${samples} images of ${classes.names.length} classes, by folder: ${classes.names.map((name, index) => `${name} is ${index}`).join(", ")}.`,
    );
    const images = pathFrom(directory, folder) || ".";
    if (classes === undefined) {
      let from = 0;
      for (const part of PARTS) {
        const count = splitSizes(samples)[part];
        if (count > 0) sections.set(part, { images, rows: [from, from + count] });
        from += count;
      }
      return sections;
    }
    const split = splitByClass(classes.of);
    for (const part of PARTS) {
      if (split[part].length === 0) continue;
      lists.set(part, split[part].map((sample) => `${files[sample]}\t${classes.of[sample]}\n`).join(""));
      sections.set(part, { images, labels: listName(part) });
    }
    return sections;
  }
  for (const path of source.unused) notes.push(`${path} belongs to no input of the model and is left out.`);
  let from = 0;
  const sizes = splitSizes(source.samples);
  for (const part of PARTS) {
    const rows: [number, number] = [from, from + sizes[part]];
    from = rows[1];
    if (sizes[part] === 0) continue;
    sections.set(part, {
      inputs: Object.fromEntries(
        inputs.map(({ name }) => [name, { data: pathFrom(directory, source.inputs.get(name)!.path), rows }]),
      ),
      ...(source.labels === undefined
        ? {}
        : { labels: { data: pathFrom(directory, source.labels.path), rows } }),
    });
  }
  return sections;
}

/**
 * The metric for the configuration: accuracy where labels are classes of the first output; agreement of classes
 * with the float model where a classifier's samples have no labels; otherwise the signal-to-noise ratio against
 * the float model.
 */
function chooseMetric(source: SampleSource, outputs: readonly PortInfo[], notes: string[]): Engine["metric"] {
  const labelled = source.kind === "images" ? source.classes !== undefined : source.labels !== undefined;
  const [output] = outputs;
  const isClassifier = output !== undefined && output.shape.length === 2;
  const areClasses =
    source.kind === "images" ||
    (source.labels?.array.shape.length === 1 && !isFloating(source.labels.array.type));
  if (labelled && isClassifier && areClasses) return { name: "accuracy" };
  if (!labelled && isClassifier) {
    notes.push(
      "Without labels, trials are judged by how often they choose the float model's class (agreement).",
    );
    return { name: "agreement" };
  }
  notes.push(
    labelled
      ? "The labels are no classes of the model's first output, so trials are compared with the float model (sqnr); see engine.metric for others."
      : "Without labels, trials are compared with the float model by the signal to noise of its outputs (sqnr).",
  );
  return { name: "sqnr" };
}

interface Trying {
  readonly source: SampleSource;
  readonly inputs: readonly PortInfo[];
  readonly document: (sections: ReadonlyMap<Part, DataSection>) => RunConfigurationInput;
  readonly directory: string;
  readonly model: string;
  readonly metric: string | undefined;
}

/**
 * The data sections with the preprocessing of pixels, where there are any: the one with which the float model is
 * most accurate, or the most usual one where accuracy is not the metric.
 */
async function preprocessed(
  sections: ReadonlyMap<Part, DataSection>,
  { source, inputs, document, directory, model, metric }: Trying,
  notes: string[],
): Promise<ReadonlyMap<Part, DataSection>> {
  const variants = source.kind === "images" ? imageVariants(inputs[0]!) : arrayVariants(source, inputs);
  const [first] = variants;
  if (first === undefined) return sections;
  const withVariant = ({ settings }: Variant): ReadonlyMap<Part, DataSection> =>
    new Map([...sections].map(([part, section]) => [part, withPreprocessing(section, settings)]));
  if (metric !== "accuracy") {
    notes.push(
      `Pixels are scaled to ${first.label}; check scale, mean and std, as no labels tell what the model takes.`,
    );
    return withVariant(first);
  }
  let best = first;
  let highest = -1;
  let tried = 0;
  for (const variant of variants) {
    const whole = document(withVariant(variant));
    const params = { ...whole.optimizer?.params, eval_subset_size: TRIED_SAMPLES };
    const configuration = { ...whole, optimizer: { ...whole.optimizer, params } };
    const { metric: scored } = await evaluate(model, { configuration, directory });
    tried = scored.samples;
    if (scored.value <= highest) continue;
    [best, highest] = [variant, scored.value];
  }
  notes.push(
    `Pixels as ${best.label}: of ${variants.length} preprocessings tried, the float model is most accurate with this one (${highest.toFixed(2)} on ${tried} samples).`,
  );
  return withVariant(best);
}

interface Variant {
  readonly label: string;
  readonly settings: Preprocessing;
}

function imageVariants({ shape, name }: PortInfo): readonly Variant[] {
  if (shape.length !== 4) {
    throw new DataError(
      `The model's input ${JSON.stringify(name)} has ${shape.length} axes, and images have 4 with the batch; give arrays instead.`,
    );
  }
  const layout =
    shape[1] === 1 || shape[1] === 3 ? "NCHW" : shape[3] === 1 || shape[3] === 3 ? "NHWC" : "NCHW";
  const channels = shape[layout === "NCHW" ? 1 : 3];
  const side = layout === "NCHW" ? shape[2] : shape[1];
  // A model that takes images of any size says nothing of the crop, so the usual 224 pixels are taken.
  const cut = typeof side === "number" && side > 0 ? {} : { crop: 224 };
  const orders = channels === 1 ? (["GRAY"] as const) : (["RGB", "BGR"] as const);
  return orders.flatMap((order) =>
    SCALINGS.filter(({ colours }) => colours === undefined || order !== "GRAY").map(
      ({ label, settings }) => ({
        label: `${order}, ${label}`,
        settings: { layout, channels: order, ...cut, ...settings },
      }),
    ),
  );
}

/** Ways to scale arrays, to be compared, where bytes (pixels) are given for a float input; otherwise none. */
function arrayVariants(source: SampleSource, inputs: readonly PortInfo[]): readonly Variant[] {
  if (source.kind !== "arrays") return [];
  const isPixels = inputs.some(
    ({ name, type }) => type.startsWith("float") && source.inputs.get(name)?.array.type === "uint8",
  );
  const colours = inputs.some(({ shape }) => shape[1] === IMAGENET.mean.length);
  return isPixels ? SCALINGS.filter((scaling) => colours || scaling.colours === undefined) : [];
}

function withPreprocessing(section: DataSection, settings: Preprocessing): DataSection {
  if (section.images !== undefined) return { ...section, preprocess: settings };
  return {
    ...section,
    inputs: Object.fromEntries(
      Object.entries(section.inputs ?? {}).map(([name, given]) => [
        name,
        typeof given === "string" ? given : { ...given, ...settings },
      ]),
    ),
  };
}

/** Whether the ops are those of a transformer: a Softmax and at least four MatMuls, as in attention. */
function isTransformer(opTypes: readonly string[]): boolean {
  return opTypes.includes("Softmax") && opTypes.filter((type) => type === "MatMul").length >= 4;
}

function describeDocument(
  configuration: RunConfigurationInput,
  directory: string,
): readonly CommentedSection[] {
  const { model, engine, optimizer, compression } = configuration;
  return [
    { key: "$schema", value: schemaPath(directory) },
    { comment: "Paths start from this file's folder.", key: "model", value: model },
    {
      comment:
        "Calibration samples give the ranges, evaluation samples the accuracy that trials are judged by, and validation samples what the result is worth: no decision uses them.",
      key: "engine",
      value: engine,
    },
    {
      comment:
        'accuracy_loss: percent of the float model\'s accuracy that may be lost. "minimize" is "latency" unless "size" is asked for.',
      key: "optimizer",
      value: optimizer,
    },
    {
      comment:
        "CPU is this machine's class of processors; ANY gives a model that computes the same on all of them.",
      key: "compression",
      value: compression,
    },
  ];
}
