import { ConfigurationError } from "../../basics/errors.js";

/**
 * Parameters of the loss that POT (OpenVINO's Post-training Optimization Tool) minimizes in its parameter
 * search.
 */
export interface PotLossParameters {
  /** Relative accuracy drop allowed, as a share: 0.01 is one percent. */
  readonly accuracyLoss: number;
  /** Required speed-up: float latency divided by the trial's latency. */
  readonly latencyReduce: number;
  readonly accuracyWeight: number;
  readonly latencyWeight: number;
  readonly quantizationRatioWeight: number;
  /** Share of quantized ops at which the loss term of that share is 0, strictly between 0 and 1. */
  readonly expectedQuantizationRatio: number;
}

/** The measurements of a trial that enter POT's loss. */
export interface PotLossInputs {
  /** Relative accuracy drop against float, as a share; negative where the trial is better. */
  readonly accuracyDrop: number;
  /** Speed-up: float latency divided by the trial's latency. */
  readonly latencyRatio: number;
  /** Share of the quantizable ops that are quantized. */
  readonly quantizedRatio: number;
}

/** Scales and offset that bring the accuracy and latency terms of POT's loss to comparable ranges. */
export interface PotLossScaling {
  readonly accuracyScale: number;
  readonly latencyLeast: number;
  readonly latencyScale: number;
}

const SCALED_RANGE = 10;
const LATENCY_EXPONENT = 8;
const ACCURACY_MISSED = 80;
const LATENCY_MISSED = 40;
/**
 * Accuracy drop (share) and speed-up that scale the loss where both the fully quantized model and the targets
 * equal float, for which POT would divide by zero.
 */
const FALLBACK_ACCURACY_DROP = 0.01;
const FALLBACK_SPEEDUP = 2;

function latencyTerm(latencyRatio: number): number {
  return -LATENCY_EXPONENT * Math.log(1000 * latencyRatio);
}

/** Error of POT's loss that follows from a relative error of the latency ratio (speed-up), to first order. */
export function latencyNoise(
  relativeError: number,
  { latencyWeight }: PotLossParameters,
  { latencyScale }: PotLossScaling,
): number {
  return latencyWeight * latencyScale * LATENCY_EXPONENT * relativeError;
}

/**
 * Returns the scaling of POT's loss under which the fully quantized model has an accuracy term of 10 and a
 * latency term of 0, and the float model 0 and 10.
 *
 * @param base the fully quantized model
 */
export function scalePotLoss(
  base: Pick<PotLossInputs, "accuracyDrop" | "latencyRatio">,
  parameters: PotLossParameters,
): PotLossScaling {
  const accuracySpans = [base.accuracyDrop, parameters.accuracyLoss, FALLBACK_ACCURACY_DROP].map((drop) =>
    Math.abs(Math.exp(drop) - 1),
  );
  const latencyLeast = [base.latencyRatio, parameters.latencyReduce, FALLBACK_SPEEDUP]
    .map(latencyTerm)
    .find((least) => least !== latencyTerm(1))!;
  return {
    accuracyScale: SCALED_RANGE / accuracySpans.find((span) => span > 0)!,
    latencyLeast,
    latencyScale: SCALED_RANGE / Math.abs(latencyTerm(1) - latencyLeast),
  };
}

/**
 * POT's loss of a trial, smaller is better: a weighted sum of the accuracy, latency and quantized-ratio
 * terms, plus a fixed penalty where a target is missed (docs/reference/algorithms.md, "Tunable parameters").
 *
 * @throws ConfigurationError when the expected quantization ratio is not strictly between 0 and 1
 */
export function potLoss(
  inputs: PotLossInputs,
  parameters: PotLossParameters,
  scaling: PotLossScaling,
): number {
  const { accuracyDrop, latencyRatio, quantizedRatio } = inputs;
  const { accuracyLoss, latencyReduce, latencyWeight, quantizationRatioWeight } = parameters;
  const offset = parameters.expectedQuantizationRatio;
  if (!(offset > 0 && offset < 1)) {
    throw new ConfigurationError(
      `optimizer.params.expected_quantization_ratio: ${offset} lies outside (0, 1); give a share between 0 and 1.`,
      "optimizer.params.expected_quantization_ratio",
    );
  }
  const missesAccuracy = accuracyDrop > accuracyLoss;
  let accuracyWeight = missesAccuracy ? parameters.accuracyWeight : 0;
  if (accuracyWeight === 0 && latencyWeight === 0 && quantizationRatioWeight === 0) {
    accuracyWeight = 1;
  }
  const steepness = 1 / Math.min(1 - offset, offset);
  const loss =
    accuracyWeight * scaling.accuracyScale * (Math.exp(accuracyDrop) - 1) +
    latencyWeight * scaling.latencyScale * (latencyTerm(latencyRatio) - scaling.latencyLeast) -
    quantizationRatioWeight * 5 * Math.tanh(3 * steepness * (quantizedRatio - offset));
  if (missesAccuracy) {
    return loss + ACCURACY_MISSED;
  }
  return latencyRatio < latencyReduce ? loss + LATENCY_MISSED : loss;
}
