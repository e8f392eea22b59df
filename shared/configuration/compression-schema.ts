import * as z from "zod";
import { DEVICE_NAMES } from "../quantization/device/hardware.js";
import { CODE_FORMS, hardwareSchema } from "../quantization/device/hardware-schema.js";
import { ESTIMATOR_PRESETS } from "../quantization/space/range-estimator.js";
import { ERROR_TYPES } from "../statistics/statistic-type.js";
import {
  distinct,
  fixed,
  listed,
  mustBe,
  nameRequired,
  numberBetween,
  numberFrom,
  oneOf,
  oneOfMessage,
  section,
  text,
  wholeNumber,
  withoutEffect,
  yesOrNo,
} from "../validation/requirement.js";

const MAX_SAMPLES = 1_000_000_000;
const LARGEST_SEED = 2 ** 32 - 1;
const MAX_IGNORED = 100_000;
const LARGEST_THRESHOLD = 1e12;
const HALF = 0.5;
const LONGEST_PATH = 4096;
/** Most values of one setting of an algorithm for the search to choose from. */
const MAX_CHOICES = 16;

const sampling = {
  stat_subset_size: wholeNumber(1, MAX_SAMPLES)
    .optional()
    .describe(
      "Number of calibration samples used: the first N, or N drawn at random with shuffle_data; all when omitted.",
    ),
  stat_batch_size: fixed([1], "statistics are gathered per sample; remove it"),
  shuffle_data: yesOrNo()
    .default(false)
    .describe("Draw the calibration samples at random instead of taking the first ones."),
  seed: wholeNumber(0, LARGEST_SEED).default(0).describe("Seed of shuffle_data."),
};

/** Keys of POT's `compression` that do not affect the result, in it and in an algorithm. */
export const COMPRESSION_WITHOUT_EFFECT = {
  dump_intermediate_model:
    "models between algorithms are not written; to get one, run quantize with the algorithms up to that point",
  inplace_statistics: "statistics are always gathered inside the model",
} as const;

/**
 * POT copies these keys from `compression` into every algorithm, so files that POT wrote have them there too.
 */
const COPIED = "belongs to compression, not to an algorithm; move it there";
const refusedEverywhere = { target_device: COPIED, model_type: COPIED };

const ignored = section({
  scope: z
    .array(text(4096, "the name of a node"), {
      error: (issue) => mustBe(issue.input, "a list of node names"),
    })
    .max(MAX_IGNORED, {
      error: `holds more than ${MAX_IGNORED} names; name fewer, or types of ops in operations`,
    })
    .default([])
    .describe("Names of nodes that stay in float."),
  operations: z
    .array(
      section({
        type: text(256, "the type of an op, such as Add").describe("Op type that stays in float."),
        attributes: z
          .record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.array(z.number())]), {
            error: (issue) => mustBe(issue.input, "an object of attribute values"),
          })
          .optional()
          .describe("Leave only ops in float whose attributes all have these values."),
      }),
      { error: (issue) => mustBe(issue.input, "a list of op types") },
    )
    .max(MAX_IGNORED, { error: `holds more than ${MAX_IGNORED} ops; name fewer` })
    .default([])
    .describe("Types of ops that stay in float."),
  skip_model: yesOrNo().default(false).describe("Leave the whole model in float."),
}).describe("What stays in float.");

const AGGREGATORS = [
  "mean",
  "min",
  "max",
  "median",
  "mean_no_outliers",
  "median_no_outliers",
  "hl_estimator",
  "batch_mean",
  "power_of_2",
] as const;

/**
 * Smallest clipping value of the upper side: ranges of at least this width keep scales of up to 16 bits above
 * the smallest one that is allowed (`narrowestRange`).
 */
const SMALLEST_CLIPPING = 1e-12;
const LARGEST_CLIPPING = 1e12;

const outlierProbability = numberBetween(0, HALF);
const aggregator = oneOf(AGGREGATORS)
  .optional()
  .describe("How the values of the samples are combined into one.");
const outlier_prob = outlierProbability
  .optional()
  .describe("Share of values outside the quantile; 1e-4 when omitted.");

const rangeEstimator = section({
  preset: oneOf(ESTIMATOR_PRESETS).default("default").describe("Sets the estimators of both sides."),
  min: section({
    type: oneOf(["min", "quantile", ...ERROR_TYPES])
      .optional()
      .describe("Statistic that determines the lower end."),
    aggregator,
    outlier_prob,
    clipping_value: numberFrom(-LARGEST_CLIPPING, 0)
      .optional()
      .describe("Lower limit of the range. An end may still be extended so that zero is exactly a code."),
  }).optional(),
  max: section({
    type: oneOf(["max", "abs_max", "quantile", "abs_quantile", ...ERROR_TYPES])
      .optional()
      .describe("Statistic that determines the upper end."),
    aggregator,
    outlier_prob,
    clipping_value: numberFrom(SMALLEST_CLIPPING, LARGEST_CLIPPING)
      .optional()
      .describe("Upper limit of the range. An end may still be extended so that zero is exactly a code."),
  }).optional(),
}).describe("How a range is estimated from the observed values.");

/** A range estimator as the user wrote it; omitted fields come from the preset. */
export type RangeEstimatorConfiguration = z.output<typeof rangeEstimator>;

const WIDTHS = [2, 4, 8, 16] as const;
const bits = z.literal(WIDTHS, { error: (issue) => mustBe(issue.input, listed(WIDTHS)) });

const pinnedFields = {
  bits: bits.optional().describe("Bits per code."),
  mode: oneOf(["symmetric", "asymmetric"])
    .optional()
    .describe("symmetric fixes the zero point, asymmetric does not."),
  granularity: oneOf(["pertensor", "perchannel"])
    .optional()
    .describe("One scale per tensor, or one per channel."),
  level_low: wholeNumber(-(2 ** 31), 0)
    .optional()
    .describe("Smallest code."),
  level_high: wholeNumber(1, 2 ** 31 - 1)
    .optional()
    .describe("Largest code."),
  range_estimator: rangeEstimator.optional(),
};

const pinnedActivations = section(pinnedFields).optional();
const pinnedWeights = section({
  ...pinnedFields,
  codes: oneOf(CODE_FORMS)
    .optional()
    .describe(
      "Codes of 8-bit weights: int8, int8_paired (adjacent codes that a kernel multiplies together have magnitudes that sum to at most 128), int7 (half the range) or uint8.",
    ),
}).optional();

/** Fields that the user fixes for weights or activations; others follow from the hardware and the preset. */
export type PinnedQuantization = NonNullable<z.output<typeof pinnedActivations>>;
export type PinnedWeights = NonNullable<z.output<typeof pinnedWeights>>;

const PRESETS = ["performance", "mixed", "accuracy", "symmetric", "asymmetric"] as const;
export type Preset = "performance" | "mixed" | "accuracy";

function presetOf(name: (typeof PRESETS)[number]): Preset {
  switch (name) {
    case "symmetric":
      return "performance";
    case "asymmetric":
      return "accuracy";
    case "performance":
    case "mixed":
    case "accuracy":
      return name;
  }
}

const quantization = {
  preset: oneOf(PRESETS)
    .default("performance")
    .transform(presetOf)
    .describe(
      "The preset configuration; symmetric is another name for performance, asymmetric for accuracy.",
    ),
  ...sampling,
  ignored: ignored.optional(),
  ignored_patterns: oneOf(["runtime", "pot", "none"])
    .optional()
    .describe(
      "Which of POT's ignored patterns are left in float: all (pot), only those that cost no speed with ONNX Runtime (runtime, the default on ANY and CPU), or none.",
    ),
  weights: pinnedWeights.describe("Fixes how weights are quantized."),
  activations: pinnedActivations.describe("Fixes how activations are quantized."),
  range_estimator: rangeEstimator.optional(),
  saturation_fix: oneOf(["auto", "first_layer", "all", "no"])
    .default("auto")
    .describe(
      "Which 8-bit weights get codes that do not saturate in the kernels of x86 processors without VNNI. auto: those that would saturate on the target device. first_layer: the first convolutions after the inputs, which lose one bit on every processor. all: all weights, with the same loss. no: none. first_layer and all are for target devices ANY, CPU and its classes, and your own hardware files.",
    ),
};

function thresholdOf(several?: string) {
  return numberFrom(0, LARGEST_THRESHOLD, several).describe(
    "Largest change of a bias, in standard deviations of the op's output; ops that need a larger change are not corrected.",
  );
}

const apply_for_all_nodes = yesOrNo()
  .default(false)
  .describe(
    "Also correct ops whose weights are left in float. BiasCorrection compensates the errors of earlier ops there; FastBiasCorrection finds no error in them, so it changes nothing.",
  );

/**
 * Default threshold of FastBiasCorrection, in standard deviations of an op's output
 * (docs/reference/algorithms.md, "Fast bias correction").
 */
export const FAST_BIAS_THRESHOLD = 2;

/** Default threshold of BiasCorrection (docs/reference/algorithms.md, "Bias correction"). */
export const BIAS_THRESHOLD = 1000;

const tune = yesOrNo()
  .optional()
  .describe(
    "Let the search switch this algorithm on and off; it is on in the preset configuration. When omitted or false, the algorithm is always on.",
  );

function correction(usual: number) {
  return {
    tune,
    ...sampling,
    threshold: thresholdOf("threshold_choices").default(usual),
    threshold_choices: distinct(numberFrom(0, LARGEST_THRESHOLD), 1, MAX_CHOICES)
      .optional()
      .describe(
        "Thresholds that the search chooses from, besides threshold, which is that of the preset configuration.",
      ),
    apply_for_all_nodes,
    ignored: ignored.optional(),
  };
}

function parameters<Shape extends z.ZodRawShape>(
  shape: Shape,
  refused: Readonly<Record<string, string>> = {},
) {
  return section(
    { ...withoutEffect(COMPRESSION_WITHOUT_EFFECT), ...shape },
    { ...refusedEverywhere, ...refused },
  );
}

function algorithm<const Name extends string, Params extends z.ZodType>(name: Name, params: Params) {
  return section({ name: z.literal(name), params }, { tune: "belongs to params; move it there" });
}

const tuning = {
  tuning_scope: distinct(oneOf(["bits", "mode", "granularity", "codes", "layer", "range_estimator"]), 0, 6)
    .default(["layer", "mode", "range_estimator"])
    .describe("What the search varies."),
  estimator_tuning_scope: distinct(oneOf(["preset", "aggregator", "type", "outlier_prob"]), 0, 4)
    .optional()
    .describe(
      'What the search varies of range estimators; ["preset"] when omitted. Read only with range_estimator in tuning_scope.',
    ),
  outlier_prob_choices: distinct(outlierProbability, 1, 64)
    .optional()
    .describe(
      "Outlier probabilities that the search chooses from; required with outlier_prob in estimator_tuning_scope.",
    ),
  estimator_preset_choices: distinct(oneOf(ESTIMATOR_PRESETS), 1, ESTIMATOR_PRESETS.length)
    .optional()
    .describe(
      'Estimator presets that the search chooses from, besides that of the preset configuration, with preset in estimator_tuning_scope; ["default", "quantile"] when omitted.',
    ),
};

const CORRECTS =
  "belongs to DefaultQuantization, which corrects biases itself; remove it, and list FastBiasCorrection or BiasCorrection behind this algorithm";
const ofCorrection = { use_fast_bias: CORRECTS, threshold: CORRECTS, apply_for_all_nodes: CORRECTS };

const tunableQuantization = parameters({ ...quantization, ...tuning }, ofCorrection).transform(
  ({ estimator_tuning_scope, ...others }) => ({
    ...others,
    // Read only with range_estimator in tuning_scope; otherwise its value must not affect the search or the
    // hash.
    estimator_tuning_scope: others.tuning_scope.includes("range_estimator")
      ? (estimator_tuning_scope ?? (["preset"] as const))
      : [],
  }),
);

const defaultQuantization = parameters({
  ...quantization,
  use_fast_bias: yesOrNo().default(true).describe("Use FastBiasCorrection (true) or BiasCorrection (false)."),
  threshold: thresholdOf().optional(),
  apply_for_all_nodes,
  use_layerwise_tuning: fixed([false], "it needs PyTorch and is not offered here; remove it"),
});

const smoothing = {
  tune,
  ...sampling,
  alpha: numberBetween(0, 1, "alpha_choices")
    .default(0.5)
    .describe(
      "Share of the activations' spread between channels that is moved into the weights: 0 none, 1 all.",
    ),
  alpha_choices: distinct(numberBetween(0, 1), 1, MAX_CHOICES)
    .optional()
    .describe(
      "Alphas that the search chooses from, besides alpha, which is that of the preset configuration.",
    ),
  ignored: ignored.optional(),
};

const rounding = {
  tune,
  largest_bits: z
    .literal([2, 4, 8], { error: (issue) => mustBe(issue.input, listed([2, 4, 8])) })
    .default(4)
    .describe(
      "Largest width, in bits, of weights that are rounded adaptively; wider ones are rounded to the nearest code.",
    ),
  ignored: ignored.optional(),
};

const algorithms = z
  .array(
    z.discriminatedUnion(
      "name",
      [
        algorithm("CrossLayerEqualization", parameters({ tune, ignored: ignored.optional() }).prefault({})),
        algorithm(
          "ActivationChannelAlignment",
          parameters({ tune, ...sampling, ignored: ignored.optional() }).prefault({}),
        ),
        algorithm("SmoothQuant", parameters(smoothing).prefault({})),
        algorithm("TunableQuantization", tunableQuantization.prefault({})),
        algorithm("MinMaxQuantization", parameters(quantization, ofCorrection).prefault({})),
        algorithm("DefaultQuantization", defaultQuantization.prefault({})),
        algorithm("AdaptiveRounding", parameters(rounding).prefault({})),
        algorithm("FastBiasCorrection", parameters(correction(FAST_BIAS_THRESHOLD)).prefault({})),
        algorithm("BiasCorrection", parameters(correction(BIAS_THRESHOLD)).prefault({})),
        algorithm("WeightBiasCorrection", parameters({ tune, ignored: ignored.optional() }).prefault({})),
      ],
      {
        error: nameRequired("an object with a name and params", {
          AccuracyAwareQuantization:
            "is not offered here; use TunableQuantization with layer in tuning_scope, which searches among the same models",
          OverflowCorrection: "is for processors with GNA, which ONNX Runtime does not serve; remove it",
          RangerAlgorithm: "is not offered here; remove it",
        }),
      },
    ),
    { error: (issue) => mustBe(issue.input, "a list of algorithms") },
  )
  .min(1, { error: "is empty, but must hold an algorithm, such as TunableQuantization" })
  .max(16, { error: "holds more than 16 algorithms; keep fewer" })
  .prefault([{ name: "TunableQuantization" }])
  .describe("The algorithms that are applied, in this order.");

/** One element of `compression.algorithms`, discriminated by `name`. */
export type AlgorithmConfiguration = z.output<typeof algorithms>[number];

/** Matches the path of a hardware file, as opposed to the name of a device. */
export const HARDWARE_FILE = /\.jsonc?$/;

export function notADevice(given: unknown): string {
  return oneOfMessage(given, DEVICE_NAMES, ", or the path of a hardware file (.json)");
}

const error = (issue: { readonly input?: unknown }): string => notADevice(issue.input);

/**
 * The hardware schema comes first, so that an object is refused for what is wrong in it, and not because it
 * is not a name.
 */
const targetDevice = z.union([
  hardwareSchema,
  z.enum(DEVICE_NAMES, { error }),
  z.string({ error }).max(LONGEST_PATH, { error }).regex(HARDWARE_FILE, { error }),
]);

const OF_QUANTIZATION = "belongs to the params of an algorithm, such as TunableQuantization; move it there";

export const compression = section(
  {
    ...withoutEffect(COMPRESSION_WITHOUT_EFFECT),
    target_device: targetDevice
      .default("CPU")
      .describe(
        "The device whose quantization options are used: a device included with quantfleet, the path of a hardware file relative to this one, or the content of such a file. CPU means the processor class of the machine that scores: CPU_VNNI, CPU_AVX2 or CPU_ARM64. ANY has only options that compute the same on all three.",
      ),
    model_type: z
      .literal([null, "None", "transformer"], {
        error: (issue) => mustBe(issue.input, `null or "transformer"`),
      })
      .transform((type) => (type === "None" ? null : type))
      .default(null)
      .describe("transformer leaves residual additions and similar ops in float."),
    algorithms,
  },
  {
    preset: OF_QUANTIZATION,
    stat_subset_size: OF_QUANTIZATION,
    ignored: OF_QUANTIZATION,
    weights: OF_QUANTIZATION,
    activations: OF_QUANTIZATION,
    range_estimator: OF_QUANTIZATION,
    saturation_fix: OF_QUANTIZATION,
  },
);
