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

const MOST_SAMPLES = 1_000_000_000;
const LARGEST_SEED = 2 ** 32 - 1;
const MOST_IGNORED = 100_000;
const LARGEST_THRESHOLD = 1e12;
const HALF = 0.5;
const LONGEST_PATH = 4096;
/** Values of one setting of a companion that a search chooses from. */
const MOST_CHOICES = 16;

const sampling = {
  stat_subset_size: wholeNumber(1, MOST_SAMPLES)
    .optional()
    .describe(
      "Calibration samples that are used: the first N, or N at random with shuffle_data; all when left out.",
    ),
  stat_batch_size: fixed([1], "statistics are a row a sample here; remove it"),
  shuffle_data: yesOrNo()
    .default(false)
    .describe("Draw the calibration samples at random instead of the first."),
  seed: wholeNumber(0, LARGEST_SEED).default(0).describe("Seed of shuffle_data."),
};

/** POT copies these from `compression` into every algorithm, so that its dumps hold them there too. */
const COPIED = "belongs to compression, not to an algorithm; move it there";
const refusedEverywhere = {
  target_device: COPIED,
  model_type: COPIED,
  dump_intermediate_model: COPIED,
  inplace_statistics: COPIED,
};

const ignored = section({
  scope: z
    .array(text(4096, "the name of a node"), {
      error: (issue) => mustBe(issue.input, "a list of node names"),
    })
    .max(MOST_IGNORED, {
      error: `holds more than ${MOST_IGNORED} names; name fewer, or types of ops in operations`,
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
          .describe("Only ops whose attributes all have these values."),
      }),
      { error: (issue) => mustBe(issue.input, "a list of op types") },
    )
    .max(MOST_IGNORED, { error: `holds more than ${MOST_IGNORED} ops; name fewer` })
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

/** Clipped ranges of at least this width keep scales of up to 16 bits above the smallest (`narrowestRange`). */
const SMALLEST_CLIPPING = 1e-12;
const LARGEST_CLIPPING = 1e12;

const outlierProbability = numberBetween(0, HALF);
const aggregator = oneOf(AGGREGATORS).optional().describe("How the samples' values become one.");
const outlier_prob = outlierProbability
  .optional()
  .describe("Share of values beyond a quantile; 1e-4 when left out.");

const rangeEstimator = section({
  preset: oneOf(ESTIMATOR_PRESETS).default("default").describe("Estimators of both sides at once."),
  min: section({
    type: oneOf(["min", "quantile", ...ERROR_TYPES])
      .optional()
      .describe("What the lower side comes from."),
    aggregator,
    outlier_prob,
    clipping_value: numberFrom(-LARGEST_CLIPPING, 0)
      .optional()
      .describe("The range goes no further down; where zero would lie between two codes, an end moves out."),
  }).optional(),
  max: section({
    type: oneOf(["max", "abs_max", "quantile", "abs_quantile", ...ERROR_TYPES])
      .optional()
      .describe("What the upper side comes from."),
    aggregator,
    outlier_prob,
    clipping_value: numberFrom(SMALLEST_CLIPPING, LARGEST_CLIPPING)
      .optional()
      .describe("The range goes no further up; where zero would lie between two codes, an end moves out."),
  }).optional(),
}).describe("How a range is estimated from what was seen.");

/** How a range is estimated, as the user wrote it; what is left out comes from the preset. */
export type RangeEstimatorConfiguration = z.output<typeof rangeEstimator>;

const WIDTHS = [2, 4, 8, 16] as const;
const bits = z.literal(WIDTHS, { error: (issue) => mustBe(issue.input, listed(WIDTHS)) });

const pinnedFields = {
  bits: bits.optional().describe("Width of the codes."),
  mode: oneOf(["symmetric", "asymmetric"]).optional().describe("Whether the zero point is fixed."),
  granularity: oneOf(["pertensor", "perchannel"]).optional().describe("One scale, or one a channel."),
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
      "Form of 8-bit codes: int8, int8_paired (neighbours that are multiplied together add up to 128 at most), int7 (half the range) or uint8.",
    ),
}).optional();

/** Fields that the user fixes for weights or activations; the rest is the hardware's and the preset's choice. */
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
    .describe("The base configuration; symmetric is another name of performance, asymmetric of accuracy."),
  ...sampling,
  ignored: ignored.optional(),
  ignored_patterns: oneOf(["runtime", "pot", "none"])
    .optional()
    .describe(
      "Which of POT's ignored patterns stay in float: all (pot), those that are no loss with ONNX Runtime (runtime, the default on ANY and CPU), or none.",
    ),
  weights: pinnedWeights.describe("Fixes how weights are quantized."),
  activations: pinnedActivations.describe("Fixes how activations are quantized."),
  range_estimator: rangeEstimator.optional(),
  saturation_fix: oneOf(["auto", "first_layer", "all", "no"])
    .default("auto")
    .describe(
      "Which 8-bit weights get codes with which the kernels of x86 processors without VNNI do not saturate: those that would on the target device (auto); or, by giving up a bit, the first convolutions behind the inputs (first_layer) or all, on every processor; or none (no). All but auto and no are for target devices ANY, CPU and its classes, and those of your own.",
    ),
};

function thresholdOf(several?: string) {
  return numberFrom(0, LARGEST_THRESHOLD, several).describe(
    "An op whose bias would change by more standard deviations of its output than this is left as it was.",
  );
}

const apply_for_all_nodes = yesOrNo()
  .default(false)
  .describe(
    "Correct ops whose weights stay in float, too: BiasCorrection takes the errors of earlier ops out of them; FastBiasCorrection finds no error in them, so that it changes nothing.",
  );

/** Standard deviations of an op's output (reference section 6.2). */
export const FAST_BIAS_THRESHOLD = 2;

/** The same for BiasCorrection (reference section 6.3). */
export const BIAS_THRESHOLD = 1000;

const tune = yesOrNo()
  .optional()
  .describe(
    "Let the search decide whether this is done, by a parameter of its own, on in the base configuration; without it this is always done.",
  );

function correction(usual: number) {
  return {
    tune,
    ...sampling,
    threshold: thresholdOf("threshold_choices").default(usual),
    threshold_choices: distinct(numberFrom(0, LARGEST_THRESHOLD), 1, MOST_CHOICES)
      .optional()
      .describe("Thresholds that the search chooses from, besides threshold, which the base has."),
    apply_for_all_nodes,
    ignored: ignored.optional(),
  };
}

function parameters<Shape extends z.ZodRawShape>(
  shape: Shape,
  refused: Readonly<Record<string, string>> = {},
) {
  return section(shape, { ...refusedEverywhere, ...refused });
}

function algorithm<const Name extends string, Params extends z.ZodType>(name: Name, params: Params) {
  return section({ name: z.literal(name), params }, { tune: "belongs to params; move it there" });
}

const tuning = {
  tuning_scope: distinct(oneOf(["bits", "mode", "granularity", "codes", "layer", "range_estimator"]), 0, 6)
    .default(["layer", "mode", "range_estimator"])
    .describe("What differs between trials."),
  estimator_tuning_scope: distinct(oneOf(["preset", "aggregator", "type", "outlier_prob"]), 0, 4)
    .optional()
    .describe(
      'What of the range estimators differs; with range_estimator in tuning_scope, ["preset"] by itself.',
    ),
  outlier_prob_choices: distinct(outlierProbability, 1, 64)
    .optional()
    .describe("Outlier probabilities to choose from; needed with outlier_prob in estimator_tuning_scope."),
  estimator_preset_choices: distinct(oneOf(ESTIMATOR_PRESETS), 1, ESTIMATOR_PRESETS.length)
    .optional()
    .describe(
      'Presets that preset in estimator_tuning_scope chooses from, besides the base\'s; ["default", "quantile"] when left out.',
    ),
};

const CORRECTS =
  "belongs to DefaultQuantization, which corrects biases itself; remove it, and list FastBiasCorrection or BiasCorrection behind this algorithm";
const ofCorrection = { use_fast_bias: CORRECTS, threshold: CORRECTS, apply_for_all_nodes: CORRECTS };

const tunableQuantization = parameters({ ...quantization, ...tuning }, ofCorrection).transform(
  ({ estimator_tuning_scope, ...others }) => ({
    ...others,
    // Only read with range_estimator in tuning_scope; what is given without it must not reach the search or the hash.
    estimator_tuning_scope: others.tuning_scope.includes("range_estimator")
      ? (estimator_tuning_scope ?? (["preset"] as const))
      : [],
  }),
);

const defaultQuantization = parameters({
  ...quantization,
  use_fast_bias: yesOrNo().default(true).describe("FastBiasCorrection rather than BiasCorrection."),
  threshold: thresholdOf().optional(),
  apply_for_all_nodes,
  use_layerwise_tuning: fixed([false], "it needs PyTorch and is not offered here; remove it"),
});

const smoothing = {
  tune,
  ...sampling,
  alpha: numberBetween(0, 1, "alpha_choices")
    .default(0.5)
    .describe("How much of the activations' unevenness goes into the weights: 0 none, 1 all."),
  alpha_choices: distinct(numberBetween(0, 1), 1, MOST_CHOICES)
    .optional()
    .describe("Alphas that the search chooses from, besides alpha, which the base has."),
  ignored: ignored.optional(),
};

const rounding = {
  tune,
  largest_bits: z
    .literal([2, 4, 8], { error: (issue) => mustBe(issue.input, listed([2, 4, 8])) })
    .default(4)
    .describe("Weights of more bits are rounded to the nearest code."),
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
  .describe("What is done to the model, in this order.");

/** One element of `compression.algorithms`, told apart by `name`. */
export type AlgorithmConfiguration = z.output<typeof algorithms>[number];

/** How a hardware file is told from the name of a device. */
export const HARDWARE_FILE = /\.jsonc?$/;

export function notADevice(given: unknown): string {
  return oneOfMessage(given, DEVICE_NAMES, ", or the path of a hardware file (.json)");
}

const error = (issue: { readonly input?: unknown }): string => notADevice(issue.input);

/** The hardware description stands first, so that what is wrong in an object is told, and not that it is no name. */
const targetDevice = z.union([
  hardwareSchema,
  z.enum(DEVICE_NAMES, { error }),
  z.string({ error }).max(LONGEST_PATH, { error }).regex(HARDWARE_FILE, { error }),
]);

const OF_QUANTIZATION = "belongs to the params of an algorithm, such as TunableQuantization; move it there";

/** Keys of POT's compression that change nothing in what is written. */
export const COMPRESSION_WITHOUT_EFFECT = {
  dump_intermediate_model:
    "models between algorithms are not written, and quantize with the first of them alone gives each",
  inplace_statistics: "statistics are always gathered inside the model",
} as const;

export const compression = section(
  {
    ...withoutEffect(COMPRESSION_WITHOUT_EFFECT),
    target_device: targetDevice
      .default("CPU")
      .describe(
        "The device whose options are used: one of those that come along (CPU is the class of the machine that scores: CPU_VNNI, CPU_AVX2 or CPU_ARM64; ANY holds only what all three compute alike), the path of a hardware file relative to this one, or what would stand in it.",
      ),
    model_type: z
      .literal([null, "None", "transformer"], {
        error: (issue) => mustBe(issue.input, `null or "transformer"`),
      })
      .transform((type) => (type === "None" ? null : type))
      .default(null)
      .describe("transformer leaves residual additions and the like in float."),
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
