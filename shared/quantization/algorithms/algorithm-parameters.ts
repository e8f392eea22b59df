import * as z from "zod";
import {
  distinct,
  fixed,
  mustBe,
  numberFrom,
  section,
  text,
  wholeNumber,
  withoutEffect,
  yesOrNo,
} from "../../validation/requirement.js";
import type { IgnoredScope } from "../graph/ignored/ignored-scope.js";

const MAX_SAMPLES = 1_000_000_000;
const LARGEST_SEED = 2 ** 32 - 1;
const MAX_IGNORED = 100_000;
const LARGEST_THRESHOLD = 1e12;
/** Largest number of values of an algorithm's setting that a search chooses from. */
const MAX_CHOICES = 16;

/**
 * Keys of POT's `compression` that do not affect the result, there and in an algorithm's `params`, each with
 * the reason.
 */
export const COMPRESSION_WITHOUT_EFFECT = {
  dump_intermediate_model:
    "models between algorithms are not written; to get one, run quantize with the algorithms up to that point",
  inplace_statistics: "statistics are always gathered inside the model",
} as const;

/**
 * The reason for refusing these keys in an algorithm: POT copies them from `compression` into every algorithm,
 * so files that POT wrote have them there too.
 */
const COPIED = "belongs to compression, not to an algorithm; move it there";
const REFUSED_EVERYWHERE = { target_device: COPIED, model_type: COPIED };

/**
 * Schema of an algorithm's `params` in the configuration.
 *
 * @param refused keys of POT that this algorithm does not have: why, and the remedy
 */
export function parameters<Shape extends z.ZodRawShape>(
  shape: Shape,
  refused: Readonly<Record<string, string>> = {},
) {
  return section(
    { ...withoutEffect(COMPRESSION_WITHOUT_EFFECT), ...shape },
    { ...REFUSED_EVERYWHERE, ...refused },
  );
}

export const tune = yesOrNo()
  .optional()
  .describe(
    "Let the search switch this algorithm on and off; it is on in the preset configuration. When omitted or false, the algorithm is always on.",
  );

/** Schema of a list of values, all different, that a search chooses a setting from. */
export function choicesOf(value: z.ZodNumber) {
  return distinct(value, 1, MAX_CHOICES).optional();
}

export const sampling = {
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

/** Which calibration samples an algorithm uses. */
export interface Sampling {
  /** Number of samples; all when `undefined`. */
  readonly size: number | undefined;
  readonly shuffle: boolean;
  readonly seed: number;
}

type SamplingParameters = Partial<z.output<z.ZodObject<typeof sampling>>>;

export function samplingOf({ stat_subset_size, shuffle_data, seed }: SamplingParameters = {}): Sampling {
  return { size: stat_subset_size, shuffle: shuffle_data ?? false, seed: seed ?? 0 };
}

export const ignored = section({
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
})
  .describe("What stays in float.")
  .optional();

/** @param floatTypes op types that stay in float besides those of the configuration */
export function ignoredScope(
  given: z.output<typeof ignored>,
  floatTypes: readonly string[] = [],
): IgnoredScope {
  return {
    skipModel: given?.skip_model ?? false,
    scope: given?.scope ?? [],
    operations: [...(given?.operations ?? []), ...floatTypes.map((type) => ({ type }))],
  };
}

/** @param several the configuration key that lists values to choose from, for messages */
export function thresholdOf(several?: string) {
  return numberFrom(0, LARGEST_THRESHOLD, several).describe(
    "Largest change of a bias, in standard deviations of the op's output; ops that need a larger change are not corrected.",
  );
}

export const apply_for_all_nodes = yesOrNo()
  .default(false)
  .describe(
    "Also correct ops whose weights are left in float. BiasCorrection compensates the errors of earlier ops there; FastBiasCorrection finds no error in them, so it changes nothing.",
  );

/**
 * Schema of the parameters that both algorithms FastBiasCorrection and BiasCorrection have.
 *
 * @param threshold the default of the parameter `threshold`
 */
export function correctionParameters(threshold: number) {
  return parameters({
    tune,
    ...sampling,
    threshold: thresholdOf("threshold_choices").default(threshold),
    threshold_choices: choicesOf(numberFrom(0, LARGEST_THRESHOLD)).describe(
      "Thresholds that the search chooses from, besides threshold, which is that of the preset configuration.",
    ),
    apply_for_all_nodes,
    ignored,
  }).prefault({});
}
