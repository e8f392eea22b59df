import { latencyNoise, type PotLossParameters, potLoss, scalePotLoss } from "./pot-loss.js";

/** What a trial measured, next to what it is compared with. */
export interface ObjectiveMeasurement {
  /** Accuracy lost against float as a share (0.01 is one percent), as the metric defines it; negative where it gained. */
  readonly accuracyDrop: number;
  /** Float latency over the trial's, and half the width of its interval. */
  readonly latencyRatio: number;
  readonly latencyRatioNoise?: number;
  /** Size of the file. */
  readonly bytes: number;
  readonly floatBytes: number;
  /** Share of the quantizable ops that are quantized. */
  readonly quantizedRatio: number;
}

/** Sizes that differ by less than this share of float's may count as equal. */
const SIZE_STEP = 1e-3;
/** Of a step, what quantizing all ops is worth: less than a step, so that it decides between equals only. */
const TIE_SHARE = 0.5;

/** What is searched for (search.md, "The sampler"; interface.md, "minimize"). */
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
      /** In percent; picks the best from the front, and leaves the search alone. */
      readonly accuracyLoss: number;
    }
  | { readonly kind: "loss"; readonly parameters: PotLossParameters };

/** A trial under an objective. */
export interface JudgedMeasurement {
  /** What is minimized. */
  readonly values: readonly number[];
  /** Percent by which the accuracy bound is missed; 0 within it. */
  readonly violation: number;
  /** In percent, relative to float; negative where the trial is better. */
  readonly accuracyLoss: number;
  /** What `values` last holds is known up to this much. */
  readonly noise: number;
}

/** What POT's loss is scaled by: the fully quantized model (reference section 2.3). */
export type LossReference = Pick<ObjectiveMeasurement, "accuracyDrop" | "latencyRatio">;

/**
 * @param base what POT's loss is scaled by; the trial's own measurement where the base could not be scored
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

/** Latency or size as a share of float's. */
function costOf(
  minimize: "latency" | "size",
  { latencyRatio, latencyRatioNoise = 0, bytes, floatBytes, quantizedRatio }: ObjectiveMeasurement,
): { value: number; noise: number } {
  switch (minimize) {
    case "latency":
      // d(1/r) = dr / r²
      return { value: 1 / latencyRatio, noise: latencyRatioNoise / latencyRatio ** 2 };
    case "size":
      return { value: sizeShare(bytes / floatBytes, quantizedRatio), noise: 0 };
  }
}

/**
 * A share of float's size in steps of which the nodes around a few quantizers are a small part; in between, the model
 * with more ops quantized counts as the smaller.
 */
function sizeShare(share: number, quantizedRatio: number): number {
  return Math.round(share / SIZE_STEP) * SIZE_STEP + (1 - quantizedRatio) * TIE_SHARE * SIZE_STEP;
}

/**
 * The best of the trials that saw every sample: the objective decides; of trials whose costs lie within each
 * other's noise of the best, the most accurate wins; where nothing meets the bound, the least violation. `undefined`
 * without trials.
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

/** The trial whose keys come first, the earlier number where all are equal. */
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
