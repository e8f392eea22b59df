import type { EstimatorPreset } from "../../quantization/space/range-estimator.js";
import type { SessionSettings } from "../../runtime/session.js";
import type { Configuration } from "../../search/space/space.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import type { Subject } from "../model/tunable-model.js";
import { OutputNoise } from "./output-noise.js";
import type { Quantizer } from "./quantizer.js";

/**
 * Number of calibration batches that presets are compared on: at most `most`, at least `fewest`, others only
 * while the outputs take at most `bytes`. With 32, a single outlier can decide between presets.
 */
const COMPARED = { most: 128, fewest: 32, bytes: 64 * 2 ** 20 };

/**
 * Smallest ratio of the noise of INT8 codes to that of UINT8 codes at which UINT8 codes are chosen, about a
 * decibel: on x86 without VNNI they run in slower kernels than the forms of INT8 that do not saturate.
 */
const WORTH_SLOWER_KERNELS = 1.2;
/**
 * Noise of the outputs, as a share of their energy (20 decibels below it), under which no gain is worth
 * slower kernels.
 */
const NOTICEABLE_NOISE = 0.01;

/**
 * A preset of range estimators, and how far the outputs of its quantized model are from those of the float
 * model.
 */
export interface TriedPreset {
  readonly preset: EstimatorPreset;
  readonly choices: Configuration;
  /**
   * "uint8" if the weights were given UINT8 codes, because the outputs were clearly closer than with the INT8 codes that
   * cannot saturate, whose kernels are faster; absent if those codes were kept.
   */
  readonly codes?: "uint8";
  /** Energy of each output's error divided by the energy of the float output, summed over the outputs. */
  readonly noise: number;
}

/**
 * The preset of range estimators, the same for all activations, whose quantized model has outputs closest to the
 * float model's on the calibration samples; the first where several are equally close. Where the base has codes of
 * fewer than 8 bits to prevent saturation, UINT8 codes are tried too, and chosen if they are clearly closer.
 * @param presets those in the subject's space
 */
export async function closestPreset(
  subject: Subject,
  quantizer: Quantizer,
  batches: CalibrationBatches,
  presets: readonly EstimatorPreset[],
  session: SessionSettings,
): Promise<TriedPreset> {
  const noise = await OutputNoise.against(subject, batches, COMPARED, session);
  const closest = async (codes: Configuration): Promise<TriedPreset> => {
    const tried: TriedPreset[] = [];
    for (const preset of presets) {
      const choices = { ...withActivationPreset(subject, preset), ...codes };
      const { model } = quantizer.quantize(choices);
      tried.push({ preset, choices, noise: await noise.of(model) });
    }
    return tried.reduce((best, candidate) => (candidate.noise < best.noise ? candidate : best));
  };
  const fast = await closest({});
  const codes = unsignedCodes(subject);
  if (Object.keys(codes).length === 0 || fast.noise < NOTICEABLE_NOISE) return fast;
  const fine = await closest(codes);
  const isWorth = fast.noise > WORTH_SLOWER_KERNELS * fine.noise;
  return isWorth ? { ...fine, codes: "uint8" } : fast;
}

/** Choices that give UINT8 codes to every weight that may have them. */
function unsignedCodes({ space }: Subject): Configuration {
  const open = space.parameters.filter(
    ({ name, family, choices }) =>
      name in space.base && /^weights\/(.*\/)?codes$/.test(family ?? "") && choices.includes("uint8"),
  );
  return Object.fromEntries(open.map(({ name }) => [name, "uint8"]));
}

/** The base configuration with one preset of range estimators for all activations. */
function withActivationPreset({ space }: Subject, preset: EstimatorPreset): Configuration {
  const chosen = space.parameters
    .filter(({ name, family }) => name in space.base && /^activations\/.*\/preset$/.test(family ?? ""))
    .map(({ name }) => [name, preset] as const);
  return { ...space.base, ...Object.fromEntries(chosen) };
}
