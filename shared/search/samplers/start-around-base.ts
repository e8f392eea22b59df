import { type Codes, codesKey } from "../space/encoding.js";
import { groupToggles } from "../space/group-toggle.js";
import type { TrialLedger } from "../trials/trial-ledger.js";
import { FamilyDescent, type Keyed } from "./family-moves.js";
import { SensitivityBisection } from "./sensitivity-bisection.js";

/**
 * Largest share of a search's trials that the descent by families (parameters that decide the same thing for
 * different groups) may use.
 */
const DESCENT_SHARE = 1 / 6;

/** Largest share of a search's trials that the search over groups, which follows the descent, may use. */
const GROUPS_SHARE = 0.2;

export interface StartOptions {
  /** A score per group name (ops quantized together), larger for groups that lose more accuracy by quantization. */
  readonly sensitivity?: Readonly<Record<string, number>>;
  /** Largest number of trials of the whole search. */
  readonly maxTrials: number;
}

/**
 * First trials of a search that has a base (preset) configuration, coarse before fine: a descent by families
 * (parameters that decide the same thing for different groups), then a search over groups from its best
 * configuration. If that misses the accuracy bound and sensitivities are known, groups are left in float by
 * descending sensitivity; if they are not known, each group is toggled alone.
 */
export class StartAroundBase {
  readonly #ledger: TrialLedger;
  readonly #options: StartOptions;
  readonly #descent: FamilyDescent;
  /** Candidates derived from the descent's centre, cached, as the centre rarely changes. */
  #around:
    | {
        readonly center: string;
        readonly bisection: SensitivityBisection;
        readonly singleToggles: readonly Keyed[];
      }
    | undefined;

  constructor(ledger: TrialLedger, base: Codes, options: StartOptions) {
    this.#ledger = ledger;
    this.#options = options;
    this.#descent = new FamilyDescent(ledger, base);
  }

  /** The next configuration to try; `undefined` when the start phase is over, or waits for running trials. */
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
    const { bisection, singleToggles } = this.#from(center);
    const trial = ledger.find(center.key)?.trial;
    if (sensitivity !== undefined && trial?.values.length === 1) {
      return trial.violation > 0 ? bisection.next(ledger) : undefined;
    }
    return singleToggles.length <= GROUPS_SHARE * maxTrials
      ? singleToggles.find(({ key }) => !ledger.has(key))?.codes
      : undefined;
  }

  #from(center: Keyed) {
    if (this.#around?.center !== center.key) {
      const { encoded } = this.#ledger;
      const { sensitivity = {} } = this.#options;
      this.#around = {
        center: center.key,
        bisection: new SensitivityBisection(encoded, center.codes, sensitivity),
        singleToggles: groupToggles(encoded, center.codes, sensitivity).map(({ codes }) => ({
          codes,
          key: codesKey(codes),
        })),
      };
    }
    return this.#around;
  }
}
