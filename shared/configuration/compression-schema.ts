import * as z from "zod";
import { ALGORITHMS, findAlgorithm } from "../quantization/algorithms/algorithm-list.js";
import {
  apply_for_all_nodes,
  COMPRESSION_WITHOUT_EFFECT,
  ignored,
  parameters,
  sampling,
  thresholdOf,
} from "../quantization/algorithms/algorithm-parameters.js";
import { DEVICE_NAMES } from "../quantization/device/hardware.js";
import { CODE_FORMS, hardwareSchema } from "../quantization/device/hardware-schema.js";
import { ESTIMATOR_PRESETS } from "../quantization/space/range-estimator.js";
import { AGGREGATORS, ERROR_TYPES } from "../statistics/statistic-type.js";
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
  wholeNumber,
  withoutEffect,
  yesOrNo,
} from "../validation/requirement.js";

const HALF = 0.5;
const LONGEST_PATH = 4096;

/**
 * Smallest `clipping_value` of a range's upper end: with codes of up to 16 bits, the scale of a range at least
 * this wide exceeds the smallest allowed one (`narrowestRange`).
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

/** A range estimator as the user wrote it; omitted fields come from its `preset`. */
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

/**
 * Properties of quantizers that the user fixes for all weights or all activations; omitted ones follow from the
 * target device and the preset.
 */
export type PinnedQuantization = NonNullable<z.output<typeof pinnedActivations>>;
export type PinnedWeights = NonNullable<z.output<typeof pinnedWeights>>;

const PRESETS = ["performance", "mixed", "accuracy", "symmetric", "asymmetric"] as const;
export type Preset = "performance" | "mixed" | "accuracy";

/** Quantization presets by their other names in POT (OpenVINO's Post-training Optimization Tool). */
const PRESET_OF = { symmetric: "performance", asymmetric: "accuracy" } as const;

function presetOf(name: (typeof PRESETS)[number]): Preset {
  return name === "symmetric" || name === "asymmetric" ? PRESET_OF[name] : name;
}

const quantization = {
  preset: oneOf(PRESETS)
    .default("performance")
    .transform(presetOf)
    .describe(
      "The preset configuration; symmetric is another name for performance, asymmetric for accuracy.",
    ),
  ...sampling,
  ignored,
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
    // `estimator_tuning_scope` is read only with range_estimator in tuning_scope; otherwise its value must not affect
    // the search or the hash.
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

/** The type of the schema of an algorithm's entry in `compression.algorithms`. */
type EntryOf<Listed> = Listed extends {
  readonly name: infer Name extends string;
  readonly parameters: infer Parameters extends z.ZodType;
}
  ? ReturnType<typeof algorithm<Name, Parameters>>
  : never;

const entriesOf = (isBefore: boolean) =>
  ALGORITHMS.filter(({ stage }) => (stage === "rewrite") === isBefore).map(({ name, parameters }) =>
    algorithm(name, parameters),
  ) as unknown as readonly EntryOf<(typeof ALGORITHMS)[number]>[];

const entries = [
  ...entriesOf(true),
  algorithm("TunableQuantization", tunableQuantization.prefault({})),
  algorithm("MinMaxQuantization", parameters(quantization, ofCorrection).prefault({})),
  algorithm("DefaultQuantization", defaultQuantization.prefault({})),
  ...entriesOf(false),
];

type Entry = (typeof entries)[number];

const algorithms = z
  .array(
    z.discriminatedUnion("name", entries as [Entry, ...Entry[]], {
      error: nameRequired("an object with a name and params", {
        AccuracyAwareQuantization:
          "is not offered here; use TunableQuantization with layer in tuning_scope, which searches among the same models",
        OverflowCorrection: "is for processors with GNA, which ONNX Runtime does not serve; remove it",
        RangerAlgorithm: "is not offered here; remove it",
      }),
    }),
    { error: (issue) => mustBe(issue.input, "a list of algorithms") },
  )
  .min(1, { error: "is empty, but must hold an algorithm, such as TunableQuantization" })
  .max(16, { error: "holds more than 16 algorithms; keep fewer" })
  .prefault([{ name: "TunableQuantization" }])
  .describe("The algorithms that are applied, in this order.");

/** One element of `compression.algorithms`, discriminated by `name`. */
export type AlgorithmConfiguration = z.output<typeof algorithms>[number];

/**
 * An algorithm that inserts quantizers into the model, such as TunableQuantization: each configuration has exactly
 * one.
 */
export type QuantizingAlgorithm = Extract<
  AlgorithmConfiguration,
  { name: "TunableQuantization" | "MinMaxQuantization" | "DefaultQuantization" }
>;

export function isQuantizing(algorithm: AlgorithmConfiguration): algorithm is QuantizingAlgorithm {
  return findAlgorithm(algorithm.name) === undefined;
}

/** Matches the path of a hardware file (JSON that describes a target device), as opposed to the name of a device. */
export const HARDWARE_FILE = /\.jsonc?$/;

export function notADevice(given: unknown): string {
  return oneOfMessage(given, DEVICE_NAMES, ", or the path of a hardware file (.json)");
}

const error = (issue: { readonly input?: unknown }): string => notADevice(issue.input);

/**
 * Schema of the target device: a hardware description, the name of a device or the path of a hardware file. The
 * description comes first, so that an object is refused for what is wrong in it, and not because it is not a name.
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
