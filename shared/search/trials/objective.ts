import { latencyNoise, type PotLossParameters, potLoss, scalePotLoss } from "./pot-loss.js";

/** Measurements of a trial relative to the float model. */
export interface ObjectiveMeasurement {
  /**
   * Accuracy lost against float as a share (0.01 is one percent), as the metric defines it; negative for a
   * gain.
   */
  readonly accuracyDrop: number;
  /** Speed-up: float latency divided by the trial's latency. */
  readonly latencyRatio: number;
  /** Uncertainty of `latencyRatio`: half the width of its confidence interval. */
  readonly latencyRatioNoise?: number;
  /** Size of the trial's model file in bytes. */
  readonly bytes: number;
  readonly floatBytes: number;
  /** Share of the quantizable ops that are quantized. */
  readonly quantizedRatio: number;
}

/** Model sizes are rounded to multiples of this share of the float model's size. */
const SIZE_STEP = 1e-3;
/**
 * Share of a size step (`SIZE_STEP`) by which a fully quantized model counts as smaller than one with no op
 * quantized; below 1, so that it only breaks ties.
 */
const TIE_SHARE = 0.5;

/** What the search optimizes, and the accuracy loss that it allows. */
export type Objective =
  | {
      readonly kind: "constrained";
      readonly minimize: "latency" | "size";
      /** Allowed accuracy loss in percent, relative to float. */
      readonly accuracyLoss: number;
    }
  | {
      readonly kind: "pareto";
      readonly minimize: "latency" | "size";
      /**
       * Allowed accuracy loss in percent, relative to float; only used to pick the best trial from the front,
       * not by the search.
       */
      readonly accuracyLoss: number;
    }
  | { readonly kind: "loss"; readonly parameters: PotLossParameters };

/** A trial's measurements as values of an objective. */
export interface JudgedMeasurement {
  /** The values that the search minimizes, one per objective. */
  readonly values: readonly number[];
  /** Percentage points by which the accuracy bound is missed; 0 within the bound. */
  readonly violation: number;
  /** Accuracy lost against float, in percent; negative where the trial is better. */
  readonly accuracyLoss: number;
  /** Uncertainty of the last of `values`: half the width of its confidence interval, in the same unit. */
  readonly noise: number;
}

/** Measurements of the fully quantized model (the base), by which POT's loss is scaled. */
export type LossReference = Pick<ObjectiveMeasurement, "accuracyDrop" | "latencyRatio">;

/**
 * Returns a trial's values, violation and accuracy loss under an objective.
 *
 * @param base scales POT's loss; the trial's own measurement where the base could not be scored
 */
export function judgeMeasurement(
  objective: Objective,
  measurement: ObjectiveMeasurement,
  base: LossReference = measurement,
): JudgedMeasurement {
  const drop = measurement.accuracyDrop;
  const accuracyLoss = 100 * drop;
  switch (objective.kind) {
    case "constrained": {
      const cost = costOf(objective.minimize, measurement);
      const violation = Math.max(0, accuracyLoss - objective.accuracyLoss);
      return { values: [cost.value], violation, accuracyLoss, noise: cost.noise };
    }
    case "pareto": {
      const cost = costOf(objective.minimize, measurement);
      return { values: [accuracyLoss, cost.value], violation: 0, accuracyLoss, noise: cost.noise };
    }
    case "loss": {
      const { latencyRatio, latencyRatioNoise = 0, quantizedRatio } = measurement;
      const scaling = scalePotLoss(base, objective.parameters);
      const loss = potLoss(
        { accuracyDrop: drop, latencyRatio, quantizedRatio },
        objective.parameters,
        scaling,
      );
      return {
        values: [loss],
        violation: 0,
        accuracyLoss,
        noise: latencyNoise(latencyRatioNoise / latencyRatio, objective.parameters, scaling),
      };
    }
  }
}

/** The minimized cost: latency or size as a share of the float model's, with the uncertainty of that share. */
function costOf(
  minimize: "latency" | "size",
  { latencyRatio, latencyRatioNoise = 0, bytes, floatBytes, quantizedRatio }: ObjectiveMeasurement,
): { value: number; noise: number } {
  switch (minimize) {
    case "latency":
      // Error propagation, to first order: d(1/r) = dr / r²
      return { value: 1 / latencyRatio, noise: latencyRatioNoise / latencyRatio ** 2 };
    case "size":
      return { value: sizeShare(bytes / floatBytes, quantizedRatio), noise: 0 };
  }
}

/**
 * A share of the float model's size, rounded to steps so large that the nodes of a few quantizers do not
 * matter; of models of equal rounded size, the one with more ops quantized counts as smaller.
 */
function sizeShare(share: number, quantizedRatio: number): number {
  return Math.round(share / SIZE_STEP) * SIZE_STEP + (1 - quantizedRatio) * TIE_SHARE * SIZE_STEP;
}

/**
 * Returns the best of the complete trials: of those within the accuracy bound the one of least cost, or the
 * most accurate of those whose costs do not differ from it by more than their noise; where none is within the
 * bound, the most accurate. `undefined` without trials.
 */
export function pickBest<T extends JudgedMeasurement & { readonly number: number }>(
  objective: Objective,
  trials: readonly T[],
): T | undefined {
  const allowed = objective.kind === "loss" ? Number.POSITIVE_INFINITY : objective.accuracyLoss;
  const feasible = trials.filter(({ accuracyLoss }) => accuracyLoss <= allowed);
  if (feasible.length === 0) {
    return smallest(trials, (trial) => [trial.accuracyLoss, trial.values.at(-1)!]);
  }
  const cheapest = smallest(feasible, (trial) => [trial.values.at(-1)!, trial.accuracyLoss])!;
  const equals = feasible.filter(
    (trial) => trial.values.at(-1)! - cheapest.values.at(-1)! <= Math.min(trial.noise, cheapest.noise),
  );
  return smallest(equals, (trial) => [trial.accuracyLoss, trial.values.at(-1)!]);
}

/** The trial with the lexicographically smallest keys; the lower trial number where all keys are equal. */
function smallest<T extends { readonly number: number }>(
  trials: readonly T[],
  keys: (trial: T) => readonly number[],
): T | undefined {
  let best: T | undefined;
  for (const trial of trials) {
    if (best === undefined) {
      best = trial;
      continue;
    }
    const [a, b] = [
      [...keys(trial), trial.number],
      [...keys(best), best.number],
    ];
    const difference = a.findIndex((key, i) => key !== b[i]);
    if (difference >= 0 && a[difference]! < b[difference]!) {
      best = trial;
    }
  }
  return best;
}
