import { createRandomStream } from "../../shared/search/numerics/random.js";

/** Largest number of calibration samples: more hardly change the ranges. */
const MAX_CALIBRATION = 300;
/** Fraction of the samples used for calibration; the same fraction again is kept for validation. */
const CALIBRATION_SHARE = 0.25;
/** Smallest number of samples at which a part is kept for validation. */
const MIN_WITH_VALIDATION = 40;
/** Seed of the random split; fixed, so that the split is the same whenever it is made again. */
const SEED = 1;

/** Indices of the samples of each part; no sample is in two parts. */
export interface SampleSplit {
  readonly calibration: readonly number[];
  readonly evaluation: readonly number[];
  /** Empty where there are too few samples for a validation part. */
  readonly validation: readonly number[];
}

/** The number of samples in each part when there are `samples` in all. */
export function splitSizes(samples: number): { calibration: number; evaluation: number; validation: number } {
  const calibration = Math.max(1, Math.min(MAX_CALIBRATION, Math.floor(CALIBRATION_SHARE * samples)));
  const validation = samples < MIN_WITH_VALIDATION ? 0 : Math.floor(CALIBRATION_SHARE * samples);
  return { calibration, evaluation: samples - calibration - validation, validation };
}

/** Splits samples at random into three parts with about the same shares of classes. */
export function splitByClass(classes: readonly number[]): SampleSplit {
  const random = createRandomStream(SEED, 0, "sampler");
  const members = new Map<number, number[]>();
  for (const [sample, label] of classes.entries()) {
    const known = members.get(label);
    if (known === undefined) members.set(label, [sample]);
    else known.push(sample);
  }
  // Samples are taken from the classes in turn, so that every stretch of the order holds all classes.
  const shuffled = [...members.values()].map((samples) => shuffle(samples, () => random.uniform()));
  const order: number[] = [];
  for (let turn = 0; order.length < classes.length; turn++) {
    for (const samples of shuffled) if (turn < samples.length) order.push(samples[turn]!);
  }
  const { calibration, evaluation } = splitSizes(order.length);
  return {
    calibration: order.slice(0, calibration),
    evaluation: order.slice(calibration, calibration + evaluation),
    validation: order.slice(calibration + evaluation),
  };
}

function shuffle(values: readonly number[], uniform: () => number): number[] {
  const shuffled = [...values];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}
