import * as z from "zod";
import {
  distinct,
  fixed,
  mustBe,
  numberFrom,
  section,
  text,
  wholeNumber,
  yesOrNo,
} from "../../validation/requirement.js";
import type { IgnoredScope } from "../graph/ignored/ignored-scope.js";

const MOST_SAMPLES = 1_000_000_000;
const LARGEST_SEED = 2 ** 32 - 1;
const MOST_IGNORED = 100_000;
const LARGEST_THRESHOLD = 1e12;
/** Values of one setting of an algorithm that a search chooses from. */
const MOST_CHOICES = 16;

/** POT copies these from `compression` into every algorithm, so that its dumps hold them there too. */
const COPIED = "belongs to compression, not to an algorithm; move it there";
const REFUSED_EVERYWHERE = {
  target_device: COPIED,
  model_type: COPIED,
  dump_intermediate_model: COPIED,
  inplace_statistics: COPIED,
};

/**
 * Schema of an algorithm's `params`.
 * @param refused keys of POT that this algorithm does not have: why, and the remedy
 */
export function parameters<Shape extends z.ZodRawShape>(
  shape: Shape,
  refused: Readonly<Record<string, string>> = {},
) {
  return section(shape, { ...REFUSED_EVERYWHERE, ...refused });
}

export const tune = yesOrNo()
  .optional()
  .describe(
    "Let the search decide whether this is done, by a parameter of its own, on in the base configuration; without it this is always done.",
  );

/** A list of values, all different, that a search chooses a setting from. */
export function choicesOf(value: z.ZodNumber) {
  return distinct(value, 1, MOST_CHOICES).optional();
}

export const sampling = {
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

/** Which calibration samples are used. */
export interface Sampling {
  /** All when left open. */
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

/** @param several the key that lists values to choose from */
export function thresholdOf(several?: string) {
  return numberFrom(0, LARGEST_THRESHOLD, several).describe(
    "An op whose bias would change by more standard deviations of its output than this is left as it was.",
  );
}

export const apply_for_all_nodes = yesOrNo()
  .default(false)
  .describe(
    "Correct ops whose weights stay in float, too: BiasCorrection takes the errors of earlier ops out of them; FastBiasCorrection finds no error in them, so that it changes nothing.",
  );

/**
 * Parameters that both bias corrections have.
 * @param threshold the default
 */
export function correctionParameters(threshold: number) {
  return parameters({
    tune,
    ...sampling,
    threshold: thresholdOf("threshold_choices").default(threshold),
    threshold_choices: choicesOf(numberFrom(0, LARGEST_THRESHOLD)).describe(
      "Thresholds that the search chooses from, besides threshold, which the base has.",
    ),
    apply_for_all_nodes,
    ignored,
  }).prefault({});
}
