import type { RandomStream } from "../numerics/random.js";
import { type Codes, type EncodedSpace, INACTIVE, isActive } from "../space/encoding.js";
import type { CoordinateKernels } from "./kernels.js";

/**
 * Choices this many nats below the most probable one are never drawn: exp(-25) is about 1.4e-11, below 2^-32.
 */
const NEGLIGIBLE_NATS = 25;

/**
 * One component of a joint density multiplied by exp(evidence), where the evidence is a sum over the choices.
 * The result is still a product over parameters, so its mode and draws from it are exact. The logit of a
 * choice that activates parameters includes their log partition function (for the mode: their best logit),
 * computed from the leaves up.
 */
export class EvidenceWeightedKernel {
  readonly #encoded: EncodedSpace;
  readonly #kernels: CoordinateKernels;
  readonly #evidence: Float64Array;
  readonly #logits: Float64Array;
  readonly #promise: Float64Array;
  /** Code (index) of the most probable choice of each parameter, given that the parameter is active. */
  readonly #best: Int16Array;
  /** For each parameter the sum over its choices of exp(logit - largest logit). */
  readonly #total: Float64Array;

  /**
   * @param evidence in nats, added to the log probability of each choice; the choices of all parameters
   *   concatenated
   */
  constructor(kernels: CoordinateKernels, evidence: Float64Array) {
    this.#kernels = kernels;
    this.#encoded = kernels.encoded;
    this.#evidence = evidence;
    this.#logits = new Float64Array(kernels.encoded.offset[kernels.encoded.size]!);
    this.#promise = new Float64Array(kernels.encoded.size);
    this.#best = new Int16Array(kernels.encoded.size);
    this.#total = new Float64Array(kernels.encoded.size);
  }

  /**
   * The most probable configuration of the component around `centre`, or of the prior component without a
   * centre.
   *
   * @param codes receives the result
   */
  mode(centre: Codes | undefined, codes: Codes = new Int16Array(this.#encoded.size)): Codes {
    this.#weigh(centre, false);
    for (let d = 0; d < codes.length; d++) {
      codes[d] = isActive(this.#encoded, codes, d) ? this.#best[d]! : INACTIVE;
    }
    return codes;
  }

  /**
   * A draw from the component around `centre`, or from the prior component without a centre.
   *
   * @param codes receives the result
   */
  draw(
    centre: Codes | undefined,
    random: RandomStream,
    codes: Codes = new Int16Array(this.#encoded.size),
  ): Codes {
    this.#weigh(centre, true);
    for (let d = 0; d < codes.length; d++) {
      codes[d] = isActive(this.#encoded, codes, d) ? this.#drawChoice(d, random) : INACTIVE;
    }
    return codes;
  }

  /**
   * Computes the logits of all parameters' choices around `centre` and the most probable choice of each
   * parameter.
   *
   * @param summed whether conditional parameters contribute the log of the sum over their choices (for draws)
   *   or their best logit (for the mode)
   */
  #weigh(centre: Codes | undefined, summed: boolean): void {
    const { size, cardinality, offset, children, existsFor } = this.#encoded;
    const { logProbability, start } = this.#kernels;
    const logits = this.#logits;
    const evidence = this.#evidence;
    const promise = this.#promise;
    const best = this.#best;
    for (let d = size - 1; d >= 0; d--) {
      const choices = cardinality[d]!;
      const own = offset[d]!;
      const row = start[d]! + (centre === undefined ? 0 : (1 + centre[d]!) * choices);
      const dependents = children[d]!;
      let chosen = 0;
      let largest = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < choices; k++) {
        let logit = logProbability[row + k]! + evidence[own + k]!;
        for (let c = 0; c < dependents.length; c++) {
          const child = dependents[c]!;
          logit += existsFor[child]![k] === 1 ? promise[child]! : 0;
        }
        logits[own + k] = logit;
        if (logit > largest) {
          largest = logit;
          chosen = k;
        }
      }
      best[d] = chosen;
      promise[d] = largest;
      if (summed) {
        const total = this.#sumBehind(own, own + choices, largest);
        this.#total[d] = total;
        promise[d]! += total === 1 ? 0 : Math.log(total);
      }
    }
  }

  /** Sum of exp(logit - largest) over the logits at indices `from` to `to` (exclusive). */
  #sumBehind(from: number, to: number, largest: number): number {
    const logits = this.#logits;
    let sum = 0;
    for (let k = from; k < to; k++) {
      const behind = largest - logits[k]!;
      sum += behind < NEGLIGIBLE_NATS ? Math.exp(-behind) : 0;
    }
    return sum;
  }

  #drawChoice(d: number, random: RandomStream): number {
    const logits = this.#logits;
    const from = this.#encoded.offset[d]!;
    const to = this.#encoded.offset[d + 1]!;
    const best = this.#best[d]!;
    const largest = logits[from + best]!;
    const total = this.#total[d]!;
    if (total === 1) {
      return best;
    }
    let remaining = random.uniform() * total - 1;
    for (let k = from; k < to && remaining >= 0; k++) {
      const behind = largest - logits[k]!;
      if (k !== from + best && behind < NEGLIGIBLE_NATS) {
        remaining -= Math.exp(-behind);
        if (remaining < 0) {
          return k - from;
        }
      }
    }
    return best;
  }
}
