import { type Codes, type EncodedSpace, INACTIVE, isActive } from "./encoding.js";
import { type CoordinateKernels, logKernel } from "./kernels.js";
import { logSumExp } from "./log-domain.js";
import type { RandomStream } from "./random.js";

/**
 * One component of a joint density times exp(evidence), where the evidence is a sum over the choices: still a
 * product over coordinates, so that its mode and draws from it are exact. A choice that brings parameters into
 * existence is credited with what they promise, from the leaves up.
 */
export class TiltedKernel {
  readonly #encoded: EncodedSpace;
  readonly #logits: Float64Array;
  readonly #kernels: CoordinateKernels;
  readonly #evidence: Float64Array;
  readonly #promise: Float64Array;
  /** Views of the logits, one a parameter. */
  readonly #logitsOf: readonly Float64Array[];

  /** @param evidence added to the log probability of each choice, all choices in one row */
  constructor(kernels: CoordinateKernels, evidence: Float64Array) {
    this.#kernels = kernels;
    this.#encoded = kernels.encoded;
    this.#evidence = evidence;
    this.#logits = new Float64Array(kernels.encoded.offset[kernels.encoded.size]!);
    this.#promise = new Float64Array(kernels.encoded.size);
    const { offset } = kernels.encoded;
    this.#logitsOf = Array.from(this.#promise, (_, d) => this.#logits.subarray(offset[d]!, offset[d + 1]!));
  }

  /** The most probable configuration of the component around `centre`, or of the prior's without one. */
  mode(centre: Codes | undefined): Codes {
    this.#weigh(centre, largest);
    return this.#choose((d) => {
      const start = this.#encoded.offset[d]!;
      let best = 0;
      for (let k = 1; k < this.#encoded.cardinality[d]!; k++) {
        if (this.#logits[start + k]! > this.#logits[start + best]!) {
          best = k;
        }
      }
      return best;
    });
  }

  /** A draw from the component around `centre`, or from the prior's without one. */
  draw(centre: Codes | undefined, random: RandomStream): Codes {
    this.#weigh(centre, logSumExp);
    return this.#choose((d) => {
      const start = this.#encoded.offset[d]!;
      const last = this.#encoded.cardinality[d]! - 1;
      let remaining = random.uniform();
      for (let k = 0; k < last; k++) {
        remaining -= Math.exp(this.#logits[start + k]! - this.#promise[d]!);
        if (remaining < 0) {
          return k;
        }
      }
      return last;
    });
  }

  /** Fills the logits of all choices; `gather` joins those of one parameter to what its parent's choice is promised. */
  #weigh(centre: Codes | undefined, gather: (logits: Float64Array) => number): void {
    const { size, cardinality, offset, children, existsFor } = this.#encoded;
    for (let d = size - 1; d >= 0; d--) {
      const at = centre === undefined ? INACTIVE : centre[d]!;
      for (let k = 0; k < cardinality[d]!; k++) {
        let logit = logKernel(this.#kernels, d, at, k) + this.#evidence[offset[d]! + k]!;
        for (const child of children[d]!) {
          logit += existsFor[child]![k] === 1 ? this.#promise[child]! : 0;
        }
        this.#logits[offset[d]! + k] = logit;
      }
      this.#promise[d] = gather(this.#logitsOf[d]!);
    }
  }

  #choose(choice: (d: number) => number): Codes {
    const codes = new Int16Array(this.#encoded.size).fill(INACTIVE);
    for (let d = 0; d < codes.length; d++) {
      if (isActive(this.#encoded, codes, d)) {
        codes[d] = choice(d);
      }
    }
    return codes;
  }
}

function largest(values: Float64Array): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < values.length; k++) {
    best = Math.max(best, values[k]!);
  }
  return best;
}
