import * as z from "zod";
import {
  mustBe,
  nameRequired,
  numberFrom,
  oneOf,
  section,
  text,
  wholeNumber,
  withoutEffect,
} from "../validation/requirement.js";

const LONGEST_PATH = 4096;
const LONGEST_NAME = 1024;
const MAX_ROWS = 1_000_000_000;
const MAX_CHANNELS = 65_536;
const MAX_CLASSES = 1_000_000;
const MAX_THREADS = 1024;
const LARGEST_PICTURE_SIDE = 8192;
const LARGEST_FACTOR = 1e12;
const SMALLEST_DEVIATION = 1e-12;

type Input = { readonly input?: unknown };

export function path() {
  return text(LONGEST_PATH, `a path of 1 to ${LONGEST_PATH} characters`);
}

function perChannel(low: number, high: number) {
  const error = (issue: Input) => mustBe(issue.input, `a list of 1 to ${MAX_CHANNELS} numbers`);
  return z.array(numberFrom(low, high), { error }).min(1, { error }).max(MAX_CHANNELS, { error });
}

const scale = numberFrom(-LARGEST_FACTOR, LARGEST_FACTOR)
  .default(1)
  .describe("Factor applied to each value before mean and std.");
const mean = perChannel(-LARGEST_FACTOR, LARGEST_FACTOR)
  .optional()
  .describe("Subtracted after scale: one number, or one per channel (axis 1).");
const std = perChannel(SMALLEST_DEVIATION, LARGEST_FACTOR)
  .optional()
  .describe("Divisor applied last: one number, or one per channel (axis 1).");
const rows = z
  .tuple([wholeNumber(0, MAX_ROWS), wholeNumber(1, MAX_ROWS)], {
    error: (issue) => mustBe(issue.input, "two whole numbers [first, end)"),
  })
  .refine(([first, end]) => first < end, {
    error: (issue) => mustBe(issue.input, "a half-open range [first, end) with first below end"),
  })
  .optional()
  .describe("Half-open range [first, end) of the file's rows; all when omitted.");

/** Largest number of elements in the value of a constant input. */
const MAX_ELEMENTS = 65_536;
const MAX_AXES = 32;

/** A model input whose samples come from an array. `data` is the array's path, relative to the configuration file. */
export interface ArraySource {
  readonly data: string;
  readonly rows?: [first: number, end: number] | undefined;
  readonly scale: number;
  readonly mean?: number[] | undefined;
  readonly std?: number[] | undefined;
  /** Axis of the model's input along which samples are stacked; the first when omitted. */
  readonly batch_axis?: number | undefined;
}

/** A model input with the same value for all samples. */
export interface ValueSource {
  readonly value: number | boolean | number[];
  /** The dynamic axis that counts samples, along which the value is repeated; the first when omitted. */
  readonly batch_axis?: number | undefined;
}

/** The source of the samples of one model input. */
export type InputSource = ArraySource | ValueSource;

const element = numberFrom(-Number.MAX_VALUE, Number.MAX_VALUE);
const elements = (issue: Input) =>
  mustBe(issue.input, `a number, true, false or a list of 1 to ${MAX_ELEMENTS} numbers`);

const inputSection = section({
  data: path().optional().describe("A .npy file, or file.npz#key; its first axis is the sample."),
  value: z
    .union([element, z.boolean(), z.array(element).min(1).max(MAX_ELEMENTS)], { error: elements })
    .optional()
    .describe(
      "Instead of data, for an input with the same value for all samples: a number, or the elements in C order.",
    ),
  batch_axis: wholeNumber(0, MAX_AXES - 1)
    .optional()
    .describe(
      "Axis of the model's input along which samples are stacked; 0 when omitted. A sample in the file may have this axis with length 1, or lack it.",
    ),
  rows,
  scale: numberFrom(-LARGEST_FACTOR, LARGEST_FACTOR)
    .optional()
    .describe("Factor applied to each value before mean and std; 1 when omitted."),
  mean,
  std,
}).transform((source, context): InputSource => {
  const { data, value, scale: factor = 1, ...others } = source;
  const { batch_axis } = others;
  const refuse = (key: string, message: string): never => {
    context.issues.push({ code: "custom", input: source, path: [key], message });
    return z.NEVER;
  };
  if (value === undefined) {
    if (data !== undefined) return { data, ...others, scale: factor };
    return refuse(
      "data",
      "is missing; it must be the path of an array, or give value for an input that is the same for all samples",
    );
  }
  const beside = Object.entries(source).find(
    ([key, given]) => key !== "value" && key !== "batch_axis" && given !== undefined,
  );
  if (beside === undefined) return { value, ...(batch_axis === undefined ? {} : { batch_axis }) };
  return refuse(beside[0], "has no meaning beside value; remove one of the two");
});

const inputSource = z.union([path().transform((data): InputSource => ({ data, scale: 1 })), inputSection], {
  error: (issue) =>
    typeof issue.input === "number"
      ? `is ${issue.input}; to feed it to every sample give { "value": ${issue.input} }`
      : mustBe(issue.input, "a path, or an object with data, rows, scale, mean and std"),
});

const labelSection = section({
  data: path().describe(
    'An array (.npy, file.npz#key), a text file with one line per sample, or, with images, "folders": each sub-folder is a class.',
  ),
  rows,
});

/**
 * The source of the samples' labels. `data` is a path relative to the configuration file, or the word `folders`
 * with images.
 */
export type LabelSource = z.output<typeof labelSection>;

const labels = z
  .union([path().transform((data): LabelSource => ({ data })), labelSection], {
    error: (issue) => mustBe(issue.input, "a path, or an object with data and rows"),
  })
  .optional()
  .describe("Expected result of each sample; not needed by metrics that compare with the float model.");

const side = wholeNumber(1, LARGEST_PICTURE_SIDE);

const preprocess = section({
  resize: side
    .optional()
    .describe("Pixels of the shorter side after resizing; those of the crop when omitted."),
  crop: side
    .optional()
    .describe("Pixels of the side of the square centre crop; the model's input size when omitted."),
  layout: oneOf(["NCHW", "NHWC"]).default("NCHW").describe("Order of the axes of the model's input."),
  channels: oneOf(["RGB", "BGR", "GRAY"])
    .default("RGB")
    .describe("Order of the colour channels; GRAY is a single channel."),
  scale,
  mean,
  std,
});

/** Settings of how an image is preprocessed into a sample. */
export type ImagePreprocessing = z.output<typeof preprocess>;

const inputName = text(LONGEST_NAME, `the name of a model input, 1 to ${LONGEST_NAME} characters`);

const dataSection = section({
  inputs: z
    .record(inputName, inputSource, {
      error: (issue) => mustBe(issue.input, "an object that holds an array for each of the model's inputs"),
    })
    .refine((inputs) => Object.keys(inputs).length > 0, {
      error: "is empty, but must name the model's inputs",
    })
    .optional()
    .describe("The array or constant value of each input of the model, by its name."),
  images: path().optional().describe("Folder of images, instead of inputs; for models with one input."),
  rows: rows.describe(
    "Half-open range [first, end) of the images, in the order of the labels file or of their names; all when omitted.",
  ),
  preprocess: preprocess.optional().describe("How images are preprocessed into samples."),
  labels,
});

/** The content of one of the sections `calibration`, `evaluation` and `validation`: samples and labels. */
export type DataSection = z.output<typeof dataSection>;

const output = text(LONGEST_NAME, "the name of one of the model's outputs")
  .optional()
  .describe("Name of the output that is scored; the model's first when omitted.");
const textMetric = {
  output,
  decoder: oneOf(["ctc"])
    .default("ctc")
    .describe("Greedy CTC: the best class of each step, repeats merged, class 0 is the blank."),
  characters: path().describe(
    "Text file with one character per line, in the order of the classes after the blank.",
  ),
};

const ACCURACY = 'is "accuracy" here; use that name';
const OWN_METRIC =
  'is not offered here; write it as a module of your own (engine.metric.module), or compare with the float model by "sqnr", "cosine" or "agreement"';

/** Names that other tools give to metrics, each with the end of an error message that says what to use here. */
const USUAL_METRIC_NAMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["top1", "top-1", "top_1", "top1_accuracy", "accuracy@top1", "acc", "acc1", "acc@1"].map((name) => [
      name,
      ACCURACY,
    ]),
  ),
  ...Object.fromEntries(
    ["top5", "top-5", "top_5", "top5_accuracy", "accuracy@top5", "acc5", "acc@5"].map((name) => [
      name,
      'is "accuracy" with "top_k": 5 here; use these',
    ]),
  ),
  categorical_accuracy: ACCURACY,
  f1_score: 'is "f1" here; use that name',
  macro_f1: 'is "f1" here; use that name',
  iou: 'is "miou" here; use that name',
  mean_iou: 'is "miou" here; use that name',
  psnr: 'is not offered here; use "sqnr", the ratio of signal to noise in decibels',
  snr: 'is "sqnr" here; use that name',
  rmse: 'is not offered here; use "mse", its square',
  l2: 'is "mse" here; use that name',
  cosine_similarity: 'is "cosine" here; use that name',
  cer: 'is not offered here; use "character_accuracy", which is better the higher it is',
  wer: 'is not offered here; use "text_accuracy", which is better the higher it is',
  map: OWN_METRIC,
  coco_precision: OWN_METRIC,
  bleu: OWN_METRIC,
  perplexity: OWN_METRIC,
};

const metric = z
  .discriminatedUnion(
    "name",
    [
      section({
        name: z.literal("accuracy"),
        output,
        top_k: wholeNumber(1, MAX_CLASSES)
          .default(1)
          .describe("A sample is right when its label is among the k best classes."),
      }),
      section({ name: z.literal("f1"), output }).describe("Macro F1: the mean over classes."),
      section({
        name: z.literal("miou"),
        output,
        classes: wholeNumber(2, 4096)
          .optional()
          .describe("Number of classes, when the output's shape does not state it."),
        ignore_label: wholeNumber(0, 2 ** 31 - 1)
          .default(255)
          .describe("Label of pixels that are not counted."),
      }),
      section({ name: z.literal("mse"), output }),
      section({ name: z.literal("sqnr"), output }),
      section({ name: z.literal("cosine"), output }),
      section({ name: z.literal("agreement"), output }),
      section({ name: z.literal("text_accuracy"), ...textMetric }),
      section({ name: z.literal("character_accuracy"), ...textMetric }),
      section({
        name: z.literal("module").optional(),
        output,
        module: z
          .string({
            error: (issue) =>
              issue.input === undefined
                ? "is missing; give the metric's name, or the path of your own as module"
                : mustBe(issue.input, "the path of a JavaScript module"),
          })
          .min(1, { error: "is empty, but must be the path of a JavaScript module" })
          .max(LONGEST_PATH, { error: `is longer than ${LONGEST_PATH} characters` })
          .describe("Path of your own ES module that scores samples."),
      }),
    ],
    { error: nameRequired("an object with a name, or a module", USUAL_METRIC_NAMES) },
  )
  .describe("The metric of a model's quality.");

/** The metric as configured: its name and parameters. */
export type MetricConfiguration = z.output<typeof metric>;

/** ONNX Runtime's limits on the key and the value of a session configuration entry, in characters. */
const LONGEST_ENTRY_KEY = 1_024;
const LONGEST_ENTRY_VALUE = 2_048;
const MAX_ENTRIES = 64;

const entryValue = z.union([z.string(), z.number(), z.boolean()], {
  error: (issue) => mustBe(issue.input, "a text, a number, true or false"),
});

/**
 * Schema of ONNX Runtime's session configuration entries by key. Values become strings, booleans 1 and 0, as ONNX
 * Runtime takes them.
 */
const sessionEntries = z
  .record(text(LONGEST_ENTRY_KEY, "the key of a session entry"), entryValue, {
    error: (issue) => mustBe(issue.input, "an object of session entries"),
  })
  .refine((entries) => Object.keys(entries).length <= MAX_ENTRIES, {
    error: `holds more than ${MAX_ENTRIES} entries`,
  })
  .transform((entries) =>
    Object.fromEntries(
      Object.entries(entries).map(([key, value]) => [
        key,
        typeof value === "boolean" ? String(Number(value)) : String(value),
      ]),
    ),
  )
  .pipe(
    z.record(
      z.string(),
      z.string().max(LONGEST_ENTRY_VALUE, { error: `is longer than ${LONGEST_ENTRY_VALUE} characters` }),
    ),
  );

const session = section({
  graphOptimizationLevel: oneOf(["disabled", "basic", "extended", "layout", "all"])
    .default("all")
    .describe("ONNX Runtime's optimization level; integer kernels need extended or higher."),
  intraOpNumThreads: wholeNumber(1, MAX_THREADS).default(1).describe("Threads of one inference."),
  extra: sessionEntries
    .optional()
    .describe(
      'Session configuration entries of ONNX Runtime by key, such as {"session.x64quantprecision": "1"}.',
    ),
}).describe("ONNX Runtime session options that the model will be deployed with.");

const ELSEWHERE =
  "describe the data in engine.calibration and engine.evaluation instead, as arrays or images";

/**
 * Keys of the section `engine` in POT (OpenVINO's quantization tool) that are accepted without effect, each with
 * the reason.
 */
export const ENGINE_WITHOUT_EFFECT = {
  stat_requests_number: "the number of workers decides, given with --workers",
  eval_requests_number: "the number of workers decides, given with --workers",
} as const;

export const engine = section(
  {
    ...withoutEffect(ENGINE_WITHOUT_EFFECT),
    calibration: dataSection
      .optional()
      .describe("Samples from which activation ranges are estimated; required by tune and quantize."),
    evaluation: dataSection
      .optional()
      .describe("Samples on which trials are scored; required by tune and evaluate."),
    validation: dataSection
      .optional()
      .describe(
        "Held-out samples on which the best models are scored at the end; the search does not see them.",
      ),
    metric: metric.optional(),
    session: session.prefault({}),
    batch_size: wholeNumber(1, 4096)
      .default(32)
      .describe(
        "Samples per inference while scoring. A fixed batch of the model takes precedence, and 1 is used when the outputs do not keep samples apart.",
      ),
  },
  {
    name: `is a key of POT's accuracy checker, which is not used here; ${ELSEWHERE}`,
    type: `chooses one of POT's engines, and here there is one; ${ELSEWHERE}`,
    config: `points to an accuracy checker file, which is not read here; ${ELSEWHERE}`,
    ...Object.fromEntries(
      ["models", "launchers", "datasets", "evaluations", "module", "module_config"].map((key) => [
        key,
        `is a key of POT's accuracy checker, which is not used here; ${ELSEWHERE}`,
      ]),
    ),
    data_source: `is a key of POT's simplified engine, which is not used here; ${ELSEWHERE}`,
    layout: `is a key of POT's simplified engine; give it as preprocess.layout beside the images`,
    central_fraction: `is a key of POT's simplified engine; give preprocess.resize and preprocess.crop beside the images`,
    data_type: `is a key of POT's data-free engine, and data is never made up here; ${ELSEWHERE}`,
    shape: `is a key of POT's data-free engine, and data is never made up here; ${ELSEWHERE}`,
    generate_data: `is a key of POT's data-free engine, and data is never made up here; ${ELSEWHERE}`,
  },
);
