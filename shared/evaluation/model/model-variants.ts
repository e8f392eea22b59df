import { keptIn } from "../../basics/kept-in.js";
import { RecentlyUsed } from "../../basics/recently-used.js";
import { rewritesFloatModel } from "../../quantization/algorithms/algorithm-list.js";
import { algorithmSpace } from "../../quantization/space/algorithm-space.js";
import type { TuningSpace } from "../../quantization/space/space.js";
import {
  countConfigurations,
  decodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
} from "../../search/space/encoding.js";
import type { Configuration } from "../../search/space/space.js";
import { algorithmsKey, withChosenAlgorithms } from "./chosen-algorithms.js";
import type { Subject } from "./tunable-model.js";

/** The model with the algorithms that one configuration chooses. */
export interface ModelVariant {
  /** The float model rewritten; its settings hold the chosen algorithms. */
  readonly subject: Subject;
  /**
   * Store key of the calibration statistics: a hash of the rewritten model, the samples and what is gathered
   * of them. Variants that are rewritten alike share it.
   */
  readonly statisticsKey: string;
  /** Unique among the variants of a workload; made of the chosen algorithms and their settings. */
  readonly name: string;
}

/**
 * Maximum number of variants that a worker keeps for later trials, and maximum size of all their constants
 * together.
 */
const MOST_KEPT = 8;
const MOST_KEPT_BYTES = 512 * 2 ** 20;

/** Number of variants, each with its own copy of the model's constants, that a worker keeps; at least one. */
export function keptVariants({ prepared }: Pick<Subject, "prepared">): number {
  return Math.max(1, Math.min(MOST_KEPT, Math.floor(MOST_KEPT_BYTES / prepared.bytes)));
}

/**
 * The model in one variant per choice of the tuned algorithms (those that the search decides on). Algorithms
 * that rewrite the float model change its statistics, so each choice of them has a rewritten form of its own,
 * made when it is first asked for. All other algorithms work on the statistics of such a form, which are
 * gathered once for all of them.
 */
export class ModelVariants {
  readonly #rewritten: RecentlyUsed<string, Promise<Pick<ModelVariant, "subject" | "statisticsKey">>>;

  /**
   * Makes variants when they are asked for.
   *
   * @param original the subject before any algorithm rewrites the float model
   * @param rewrite runs the algorithms of a subject's settings that rewrite the float model
   */
  constructor(
    private readonly original: Subject,
    private readonly rewrite: (subject: Subject) => Promise<Subject>,
    private readonly statisticsKeyOf: (subject: Subject) => string,
  ) {
    this.#rewritten = new RecentlyUsed(keptVariants(original));
  }

  /**
   * The variant that a configuration chooses.
   *
   * @param configuration of the subject's space; parameters that it lacks have the base's value
   */
  async of(configuration: Configuration): Promise<ModelVariant> {
    const { settings, tunedAlgorithms } = this.original;
    const { subject, statisticsKey } = await this.#rewrittenBy(configuration);
    const chosen = withChosenAlgorithms(settings, tunedAlgorithms, configuration);
    return { subject: { ...subject, settings: chosen }, statisticsKey, name: algorithmsKey(chosen) };
  }

  /** The number of rewritten forms of the float model; statistics are gathered for each. */
  get forms(): number {
    return countConfigurations(encodeSpace(this.#rewritingSpace().parameters));
  }

  #rewritingSpace(): TuningSpace {
    return algorithmSpace(this.original.tunedAlgorithms.filter(rewritesFloatModel));
  }

  /**
   * One variant per rewritten form of the float model, with all other algorithms; that of the base
   * configuration first.
   */
  async rewritten(): Promise<readonly ModelVariant[]> {
    const { parameters, base } = this.#rewritingSpace();
    const space = encodeSpace(parameters);
    const variants = new Map<string, ModelVariant>();
    for (const configuration of [
      base,
      ...[...enumerateConfigurations(space)].map((codes) => decodeConfiguration(space, codes)),
    ]) {
      const variant = await this.of(configuration);
      variants.set(variant.name, variant);
    }
    return [...variants.values()];
  }

  #rewrittenBy(configuration: Configuration) {
    const { settings, tunedAlgorithms, space } = this.original;
    const chosen = withChosenAlgorithms(settings, tunedAlgorithms.filter(rewritesFloatModel), configuration);
    return keptIn(this.#rewritten, algorithmsKey(chosen), async () => {
      const subject = await this.rewrite({ ...this.original, settings: chosen });
      const statisticsKey = this.statisticsKeyOf(subject);
      // Rewriting changes constants only, so that every form has the quantizers and parameters of the original.
      return { subject: { ...subject, space, tunedAlgorithms }, statisticsKey };
    });
  }
}
