import { RecentlyUsed } from "../../basics/recently-used.js";
import { companionSpace, rewritesFloatModel } from "../../quantization/space/algorithm-space.js";
import type { TuningSpace } from "../../quantization/space/space.js";
import {
  countConfigurations,
  decodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
} from "../../search/space/encoding.js";
import type { Configuration } from "../../search/space/space.js";
import { companionsKey, withChosenCompanions } from "./chosen-algorithms.js";
import type { Subject } from "./tunable-model.js";

/** A model as one choice of companions makes it ready. */
export interface ModelVariant {
  /** The float model rewritten, its settings those companions that the choice holds. */
  readonly subject: Subject;
  /** Names the rewritten model, the samples and what is gathered of them; variants that rewrite alike share it. */
  readonly statisticsKey: string;
  /** Tells the variants of a workload apart. */
  readonly name: string;
}

/** What is made for some choice of companions is kept for later trials: so many of each, and fewer of large models. */
const MOST_KEPT = 8;
const MOST_KEPT_BYTES = 512 * 2 ** 20;

/** How many copies of a model's constants a worker keeps. */
export function keptVariants({ prepared }: Pick<Subject, "prepared">): number {
  return Math.max(1, Math.min(MOST_KEPT, Math.floor(MOST_KEPT_BYTES / prepared.bytes)));
}

/**
 * The model as each choice of companions makes it ready. What rewrites the float model changes its statistics, so there
 * is one rewritten form for each choice of those, made when it is first asked for; the other companions work on what
 * such a form's statistics say, which are gathered for all of them.
 */
export class ModelVariants {
  readonly #rewritten: RecentlyUsed<string, Promise<Pick<ModelVariant, "subject" | "statisticsKey">>>;

  /**
   * @param original before any rewriting
   * @param rewrite as the subject's settings ask
   */
  constructor(
    private readonly original: Subject,
    private readonly rewrite: (subject: Subject) => Promise<Subject>,
    private readonly statisticsKeyOf: (subject: Subject) => string,
  ) {
    this.#rewritten = new RecentlyUsed(keptVariants(original));
  }

  /** @param configuration of the subject's space; what it leaves open is as in the base */
  async of(configuration: Configuration): Promise<ModelVariant> {
    const { settings, tunedCompanions } = this.original;
    const { subject, statisticsKey } = await this.#rewrittenBy(configuration);
    const chosen = withChosenCompanions(settings, tunedCompanions, configuration);
    return { subject: { ...subject, settings: chosen }, statisticsKey, name: companionsKey(chosen) };
  }

  /** How many forms of the float model there are: statistics are gathered for each. */
  get forms(): number {
    return countConfigurations(encodeSpace(this.#rewritingSpace().parameters));
  }

  #rewritingSpace(): TuningSpace {
    return companionSpace(this.original.tunedCompanions.filter(rewritesFloatModel));
  }

  /** One variant of each form of the float model, with every other companion; the base's first. */
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
    const { settings, tunedCompanions, space } = this.original;
    const chosen = withChosenCompanions(settings, tunedCompanions.filter(rewritesFloatModel), configuration);
    const key = companionsKey(chosen);
    let rewritten = this.#rewritten.get(key);
    if (rewritten === undefined) {
      rewritten = this.rewrite({ ...this.original, settings: chosen }).then((subject) => ({
        // Rewriting changes constants alone, so that every form has the original's quantizers and choices.
        subject: { ...subject, space, tunedCompanions },
        statisticsKey: this.statisticsKeyOf(subject),
      }));
      this.#rewritten.set(key, rewritten);
    }
    return rewritten;
  }
}
