import { createRandomStream, type RandomStream } from "../../../../shared/search/numerics/random.js";
import type { Configuration } from "../../../../shared/search/space/space.js";
import type { Problem } from "./problem.js";

/**
 * Parameters of a generated problem. All have layers with heavy-tailed sensitivities, a cost for leaving a
 * layer in float, and random pairwise interactions.
 */
export interface ProblemShape {
  readonly layers: number;
  /**
   * `flat`: one parameter per layer. `conditional`: a switch with a mode, an estimator and an ordinal outlier
   * level.
   */
  readonly structure: "flat" | "conditional";
  /** For flat problems: number of choices per layer. */
  readonly choices: number;
  /** Standard deviation of the logarithm of the layers' sensitivities (effects on the value). */
  readonly tail: number;
  /** Number of interacting pairs per layer, and their strength relative to the two layers' sensitivities. */
  readonly pairsPerLayer: number;
  readonly pairStrength: number;
  readonly noise: number;
  /** For flat problems: whether the choices of a layer are ordered. */
  readonly ordered: boolean;
}

const DEFAULT_SHAPE: ProblemShape = {
  layers: 50,
  structure: "flat",
  choices: 6,
  tail: 1.2,
  pairsPerLayer: 1.2,
  pairStrength: 0.4,
  noise: 0,
  ordered: false,
};

const TYPICAL_SENSITIVITY = 0.02;

/**
 * Generates a search problem in which choice 0 of a switch, and the last choice of a flat parameter, leaves the
 * layer in float.
 */
export function generateProblem(name: string, seed: number, shape: Partial<ProblemShape>): Problem {
  const { layers, structure, choices, tail, pairsPerLayer, pairStrength, noise, ordered } = {
    ...DEFAULT_SHAPE,
    ...shape,
  };
  const random = createRandomStream(seed, 0, "problem");
  const sensitivities = Array.from(
    { length: layers },
    () => TYPICAL_SENSITIVITY * Math.exp(tail * random.normal()),
  );
  const parameters: Problem["parameters"] = [];
  const main: number[][] = [];
  const strengths: number[] = [];
  for (const [layer, sensitivity] of sensitivities.entries()) {
    const prefix = `layer${String(layer).padStart(3, "0")}`;
    const price = TYPICAL_SENSITIVITY * Math.exp(0.5 * random.normal());
    if (structure === "flat") {
      parameters.push({ name: prefix, choices, ...(ordered ? { ordered } : {}) });
      main.push(
        ordered
          ? orderedEffects(random, choices, sensitivity)
          : [...Array.from({ length: choices - 1 }, () => sensitivity * random.uniform() * 2), price],
      );
      strengths.push(sensitivity);
    } else {
      const quantized = { name: `${prefix}.quantize`, is: [1] };
      parameters.push(
        { name: `${prefix}.quantize`, choices: 2 },
        { name: `${prefix}.mode`, choices: 2, when: quantized },
        { name: `${prefix}.estimator`, choices: 3, when: quantized },
        {
          name: `${prefix}.outlier`,
          choices: 3,
          ordered: true,
          when: { name: `${prefix}.estimator`, is: [2] },
        },
      );
      main.push(
        [price, sensitivity],
        Array.from({ length: 2 }, () => 0.4 * sensitivity * random.normal()),
        Array.from({ length: 3 }, () => 0.4 * sensitivity * random.normal()),
        orderedEffects(random, 3, 0.6 * sensitivity),
      );
      strengths.push(sensitivity, 0.4 * sensitivity, 0.4 * sensitivity, 0.3 * sensitivity);
    }
  }
  const pairs = Array.from({ length: Math.round(pairsPerLayer * layers) }, () => {
    const a = random.below(parameters.length);
    const b = (a + 1 + random.below(parameters.length - 1)) % parameters.length;
    const scale = pairStrength * Math.sqrt(strengths[a]! * strengths[b]!);
    return {
      a,
      b,
      table: Array.from({ length: parameters[a]!.choices }, () =>
        Array.from({ length: parameters[b]!.choices }, () => scale * random.normal()),
      ),
    };
  });
  return { name, parameters, main, pairs, noise };
}

/** Effects of a layer's ordered choices on the value, which rise with the distance from a random best choice. */
function orderedEffects(random: RandomStream, choices: number, sensitivity: number): number[] {
  const best = random.uniform() * (choices - 1);
  return Array.from(
    { length: choices },
    (_, code) => sensitivity * 2 * ((code - best) / Math.max(1, choices - 1)) ** 2,
  );
}

/** A problem like real runs: a good base (all layers quantized), an accuracy bound, and a switch for each layer. */
export interface ConstrainedProblem {
  readonly name: string;
  readonly base: Configuration;
  readonly float: Configuration;
  /** The latency, which is minimized; that of the float model is 1. */
  readonly latency: Problem;
  /** The accuracy loss in percent; configurations are feasible up to `bound`. */
  readonly accuracyLoss: Problem;
  readonly bound: number;
  /** Noisy estimate, by layer, of the loss that quantizing this layer alone causes. */
  readonly sensitivity: Readonly<Record<string, number>>;
}

/** Median, over layers, of the accuracy loss that quantizing a layer causes, in percent. */
const LAYER_LOSS = 0.05;
/**
 * Standard deviation of the logarithm of a measured sensitivity; a rank correlation with the true one of
 * about 0.8.
 */
const MEASUREMENT_DEVIATION = 1;

/**
 * Generates a problem in which a few layers cause most of the accuracy loss of the base (all layers quantized);
 * leaving a layer in float costs its share of the speed-up.
 *
 * @param estimators number of range estimator choices per quantized layer; with 1 there are switches only
 * @param layerLoss median loss of a quantized layer, in percent; the mean is three times as much
 */
export function generateConstrainedProblem(
  name: string,
  seed: number,
  layers: number,
  estimators: number,
  layerLoss = LAYER_LOSS,
): ConstrainedProblem {
  const random = createRandomStream(seed, 1, "problem");
  const parameters: Problem["parameters"] = [];
  const latencyMain: number[][] = [];
  const lossMain: number[][] = [];
  const strengths: number[] = [];
  const base: Record<string, number> = {};
  const float: Record<string, number> = {};
  const measured: Record<string, number> = {};
  const measurement = createRandomStream(seed, 2, "problem");
  const shares = Array.from({ length: layers }, () => Math.exp(random.normal()));
  const totalShare = shares.reduce((sum, share) => sum + share, 0);
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `layer${String(layer).padStart(3, "0")}`;
    const sensitivity = layerLoss * Math.exp(1.5 * random.normal());
    // Some layers are slower when quantized, as with real kernels.
    const gain = (0.55 * shares[layer]!) / totalShare;
    const quantize = `${prefix}.quantize`;
    parameters.push({ name: quantize, choices: 2 });
    latencyMain.push([gain, random.uniform() < 0.1 ? 1.2 * gain : 0]);
    lossMain.push([0, sensitivity]);
    strengths.push(sensitivity);
    measured[prefix] = sensitivity * Math.exp(MEASUREMENT_DEVIATION * measurement.normal());
    base[quantize] = 1;
    float[quantize] = 0;
    if (estimators > 1) {
      const estimator = `${prefix}.estimator`;
      parameters.push({ name: estimator, choices: estimators, when: { name: quantize, is: [1] } });
      latencyMain.push(Array.from({ length: estimators }, () => 0));
      lossMain.push([
        0,
        ...Array.from({ length: estimators - 1 }, () => 0.4 * sensitivity * random.normal()),
      ]);
      strengths.push(0.4 * sensitivity);
      base[estimator] = 0;
    }
  }
  const pairs = Array.from({ length: layers }, () => {
    const a = random.below(parameters.length);
    const b = (a + 1 + random.below(parameters.length - 1)) % parameters.length;
    const scale = 0.4 * Math.sqrt(strengths[a]! * strengths[b]!);
    const table = Array.from({ length: parameters[a]!.choices }, (_, i) =>
      Array.from({ length: parameters[b]!.choices }, (_, j) =>
        i === 0 || j === 0 ? 0 : scale * random.normal(),
      ),
    );
    return { a, b, table };
  });
  return {
    name,
    base,
    float,
    latency: { name: `${name}-latency`, parameters, main: latencyMain, pairs: [], noise: 0.004 },
    accuracyLoss: { name: `${name}-loss`, parameters, main: lossMain, pairs, noise: 0.05 },
    bound: 1,
    sensitivity: measured,
  };
}
