import type { Work } from "../numerics/incremental-work.js";
import { addAt, dot } from "../numerics/vectors.js";
import type { Codes, EncodedSpace } from "../space/encoding.js";
import { EffectsModel, type Relevance } from "./effects-model.js";
import { ordinalCovariances, quadraticForm } from "./ordinal-covariance.js";

/** Steps of the fixed-point iteration that estimates each parameter's variance. */
const STEPS = 4;
/** Weight, in pseudo-observations, of the prior expectation of a parameter's variance. */
const PRIOR_WEIGHT = 0.5;
/**
 * Prior expectation of the share of an outcome's variance that all parameters explain; low, since few effects
 * are strong.
 */
const PRIOR_SHARE = 0.5;
const INITIAL_EXPLAINED_SHARE = 0.7;
const INITIAL_NOISE = 0.3;
const LEAST_VARIANCE = 1e-7;
const LEAST_NOISE = 1e-4;
/**
 * Weight, in pseudo-observations, of the prior (an equal variance for every parameter) in the average variance
 * of a group's parameters.
 */
const GROUP_PRIOR_WEIGHT = 3;
const NOISE_PRIOR_SQUARES = 0.02;

/**
 * Relevance (prior variance of each parameter's effects, and noise) before any observation: equal variances for
 * all parameters.
 */
export function initialRelevance(encoded: EncodedSpace): Relevance {
  return {
    variance: new Float64Array(encoded.size).fill(INITIAL_EXPLAINED_SHARE / Math.max(1, encoded.size)),
    noise: INITIAL_NOISE,
  };
}

/**
 * Fits an additive model to the observations, whose relevance (prior variance) of each parameter is estimated
 * from them.
 *
 * @param outcomesOf returns the standardized outcomes, one per observation; may impute unknown ones from the
 *   given model
 */
export function* fitEffects(
  encoded: EncodedSpace,
  observations: readonly Codes[],
  outcomesOf: (model: EffectsModel) => Float64Array,
): Work<EffectsModel> {
  let relevance = initialRelevance(encoded);
  for (let step = 0; ; step++) {
    const model = new EffectsModel(encoded, relevance);
    for (const codes of observations) {
      model.append(codes);
      yield model.size * (encoded.size + model.size / 2);
    }
    if (step === STEPS || observations.length === 0) {
      return model;
    }
    relevance = yield* reestimate(model, outcomesOf(model));
  }
}

/** Approximate number of arithmetic operations that {@link fitEffects} takes for this many observations. */
export function fitOperations({ size }: EncodedSpace, observations: number): number {
  const pairs = (observations * observations) / 2;
  const factor = pairs * (size + observations / 3);
  const step = pairs * ((2 * observations) / 3 + size);
  return (STEPS + 1) * factor + STEPS * step;
}

/**
 * One step of MacKay's fixed-point iteration ("Bayesian interpolation", 1992): a parameter's variance is the
 * sum of its squared effects divided by the number of its well-determined effects.
 *
 * @param outcomes standardized, one per observation
 */
export function* reestimate(model: EffectsModel, outcomes: ArrayLike<number>): Work<Relevance> {
  const { encoded } = model;
  const { size, cardinality } = encoded;
  const alpha = model.factor.solve(outcomes);
  const effects = model.project(alpha);
  const inverse = yield* model.factor.invert();
  const posterior = yield* sumOverPairs(encoded, model.indices, inverse);
  const { variance, noise } = model.relevance;
  const ordinal = ordinalCovariances(encoded);
  const squares = variance.map((_, d) => {
    const covariance = ordinal[d];
    if (covariance !== undefined) {
      return quadraticForm(covariance.precision, effects, encoded.offset[d]!, covariance.choices);
    }
    const spread = cardinality[d]! - 1;
    return (spread / (spread + 1)) * sumOfSquares(effects, encoded.offset[d]!, encoded.offset[d + 1]!);
  });
  const determined = variance.map((old, d) => {
    if (ordinal[d] !== undefined) {
      return Math.max(0, old * posterior.matching[d]!);
    }
    const spread = cardinality[d]! - 1;
    return spread === 0
      ? 0
      : Math.max(0, (old * (posterior.matching[d]! * (spread + 1) - posterior.shared[d]!)) / spread);
  });
  const share = PRIOR_SHARE / Math.max(1, size);
  const expected = groupVariances(encoded, squares, determined, share);
  const reestimated = variance.map((_, d) =>
    cardinality[d] === 1
      ? LEAST_VARIANCE
      : Math.max(
          LEAST_VARIANCE,
          (squares[d]! + 2 * PRIOR_WEIGHT * expected[d]!) / (determined[d]! + 2 * PRIOR_WEIGHT),
        ),
  );
  const residual = noise * noise * alpha.reduce((sum, value) => sum + value * value, 0);
  const undetermined = noise * posterior.trace;
  return {
    variance: reestimated,
    noise: Math.max(LEAST_NOISE, (residual + NOISE_PRIOR_SQUARES) / (undetermined + 1)),
  };
}

/**
 * Prior expectation of each parameter's variance: the average over the parameters of its group (those of the
 * same ops) where the group has others. If switching a layer to float matters, its estimators and modes
 * probably matter too.
 */
function groupVariances(
  { space }: EncodedSpace,
  squares: Float64Array,
  determined: Float64Array,
  share: number,
): Float64Array {
  const totals = new Map<string, { squares: number; determined: number; members: number }>();
  for (const [d, { group }] of space.entries()) {
    const total = totals.get(group) ?? { squares: 0, determined: 0, members: 0 };
    total.squares += squares[d]!;
    total.determined += determined[d]!;
    total.members += 1;
    totals.set(group, total);
  }
  return Float64Array.from(space, ({ group }) => {
    const total = totals.get(group)!;
    return total.members === 1
      ? share
      : (total.squares + GROUP_PRIOR_WEIGHT * share) / (total.determined + GROUP_PRIOR_WEIGHT);
  });
}

/** Sums, per parameter, of a symmetric matrix's elements over pairs of observations. */
interface PairSums {
  /**
   * Sum over the pairs of observations with the same choice of the parameter. For an ordinal parameter the sum
   * over all pairs, weighted by the prior covariance of their choices.
   */
  readonly matching: Float64Array;
  /** Sum over the pairs of observations in which the parameter is active in both. */
  readonly shared: Float64Array;
  /** Trace of the symmetric matrix over the observations. */
  readonly trace: number;
}

/**
 * @param indices indices of each observation's choices in the array of all parameters' choices
 * @param packed lower triangle of a symmetric matrix over the observations
 */
function* sumOverPairs(
  encoded: EncodedSpace,
  indices: readonly Int32Array[],
  packed: Float64Array,
): Work<PairSums> {
  const { size, offset } = encoded;
  const ordinal = ordinalCovariances(encoded);
  const parameterOf = parameterOfIndices(offset, size);
  const matching = new Float64Array(size);
  const shared = new Float64Array(size);
  const gathered = new Float64Array(offset[size]!);
  let trace = 0;
  for (const [i, own] of indices.entries()) {
    const start = (i * (i + 1)) / 2;
    gathered.fill(0);
    for (let j = 0; j < i; j++) {
      addAt(gathered, indices[j]!, 2 * packed[start + j]!);
    }
    const diagonal = packed[start + i]!;
    addAt(gathered, own, diagonal);
    trace += diagonal;
    for (let at = 0; at < own.length; at++) {
      const index = own[at]!;
      const d = parameterOf[index]!;
      const covariance = ordinal[d];
      if (covariance !== undefined) {
        const { choices } = covariance;
        const own = (index - offset[d]!) * choices;
        matching[d]! += dot(covariance.covariance, own, gathered, offset[d]!, choices);
        continue;
      }
      matching[d]! += gathered[index]!;
      let sum = 0;
      for (let k = offset[d]!; k < offset[d + 1]!; k++) {
        sum += gathered[k]!;
      }
      shared[d]! += sum;
    }
    yield i * size + offset[size]!;
  }
  return { matching, shared, trace };
}

function parameterOfIndices(offset: Int32Array, size: number): Int32Array {
  const parameters = new Int32Array(offset[size]!);
  for (let d = 0; d < size; d++) {
    parameters.fill(d, offset[d], offset[d + 1]);
  }
  return parameters;
}

function sumOfSquares(values: Float64Array, start: number, end: number): number {
  let sum = 0;
  for (let k = start; k < end; k++) {
    sum += values[k]! * values[k]!;
  }
  return sum;
}
