import { type Codes, codesKey } from "../space/encoding.js";
import { singleReversals } from "../space/group-toggle.js";
import type { TrialLedger } from "../trials/trial-ledger.js";
import { FamilyDescent, type Keyed } from "./family-moves.js";
import { RankedReversals } from "./sensitivity-bisection.js";

/** The descent by families may take this share of the trials. */
const DESCENT_SHARE = 1 / 6;

/** What follows it, along the groups, may take this share. */
const GROUPS_SHARE = 0.2;

export interface StartOptions {
  /** A score a group, larger for groups that quantization hurts more. */
  readonly sensitivity?: Readonly<Record<string, number>>;
  /** The trials that the whole search may take. */
  readonly maxTrials: number;
}

/**
 * How a search begins that has a base configuration (docs/search.md, "One ask"): coarse before fine, first by families,
 * then along the groups. Where the best of the families misses the accuracy bound and it is known which groups are
 * sensitive, those are reversed in that order; where it is not known, a wave that reverses each group alone finds out.
 */
export class StartAroundBase {
  readonly #ledger: TrialLedger;
  readonly #options: StartOptions;
  readonly #descent: FamilyDescent;
  /** What follows from the centre, which hardly ever moves. */
  #around:
    | { readonly center: string; readonly ranked: RankedReversals; readonly wave: readonly Keyed[] }
    | undefined;

  constructor(ledger: TrialLedger, base: Codes, options: StartOptions) {
    this.#ledger = ledger;
    this.#options = options;
    this.#descent = new FamilyDescent(ledger, base);
  }

  /** `undefined` when the start is over, or goes on from trials that still run. */
  next(): Codes | undefined {
    const ledger = this.#ledger;
    const { maxTrials, sensitivity } = this.#options;
    if (ledger.distinct > (DESCENT_SHARE + GROUPS_SHARE) * maxTrials) {
      return undefined;
    }
    const { center, untried } = this.#descent.state();
    if (untried.length > 0 && ledger.distinct <= DESCENT_SHARE * maxTrials) {
      return untried[0]!.codes;
    }
    const { ranked, wave } = this.#from(center);
    const trial = ledger.find(center.key)?.trial;
    if (sensitivity !== undefined && trial?.values.length === 1) {
      return trial.violation > 0 ? ranked.next(ledger) : undefined;
    }
    return wave.length <= GROUPS_SHARE * maxTrials
      ? wave.find(({ key }) => !ledger.has(key))?.codes
      : undefined;
  }

  #from(center: Keyed) {
    if (this.#around?.center !== center.key) {
      const { encoded } = this.#ledger;
      const { sensitivity = {} } = this.#options;
      this.#around = {
        center: center.key,
        ranked: new RankedReversals(encoded, center.codes, sensitivity),
        wave: singleReversals(encoded, center.codes, sensitivity).map(({ codes }) => ({
          codes,
          key: codesKey(codes),
        })),
      };
    }
    return this.#around;
  }
}
