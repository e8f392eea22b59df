import { type Codes, codesKey, type EncodedSpace, INACTIVE, repairActivity } from "../space/encoding.js";
import { compareTrials } from "../trials/ranking.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";

/** An encoded configuration with its key ({@link codesKey}), by which trials are looked up. */
export interface Keyed {
  readonly codes: Codes;
  readonly key: string;
}

/**
 * Indices of each family's parameters, in the space's order. A family is at least two parameters that decide
 * the same thing for different groups, or one parameter that decides something for the whole model.
 */
function families(encoded: EncodedSpace): readonly (readonly number[])[] {
  const members = new Map<string, number[]>();
  for (const [d, { family }] of encoded.space.entries()) {
    if (family === undefined) {
      continue;
    }
    const known = members.get(family);
    if (known === undefined) {
      members.set(family, [d]);
    } else {
      known.push(d);
    }
  }
  return [...members].flatMap(([family, parameters]) =>
    parameters.length > 1 || encoded.space[parameters[0]!]!.name === family ? [parameters] : [],
  );
}

/**
 * Neighbours of `center` in the descent: configurations in which all active parameters of one family (those
 * that decide the same thing for different groups) are set to the same choice, other than `center` itself.
 */
function neighbours(encoded: EncodedSpace, center: Keyed, all: ReturnType<typeof families>): Keyed[] {
  return all.flatMap((parameters) => {
    const choices = encoded.space[parameters[0]!]!.choices;
    return choices
      .map((choice) => keyed(moved(encoded, center.codes, parameters, choice)))
      .filter(({ key }) => key !== center.key);
  });
}

function keyed(codes: Codes): Keyed {
  return { codes, key: codesKey(codes) };
}

function moved(
  encoded: EncodedSpace,
  center: Codes,
  parameters: readonly number[],
  choice: string | number | boolean,
): Codes {
  const codes = center.slice();
  for (const d of parameters) {
    const code = encoded.codeOf[d]!.get(choice);
    if (codes[d] !== INACTIVE && code !== undefined) {
      codes[d] = code;
    }
  }
  return repairActivity(encoded, codes);
}

/**
 * Coordinate descent from the base configuration in which one step sets a whole family, such as the mode of
 * all activations. Where the layers of a model share a weakness (say, signed activations under a symmetric
 * preset), changing all groups at once helps and changing any one of them hardly does, so a search group by
 * group would miss it.
 */
export class FamilyDescent {
  readonly #ledger: TrialLedger;
  readonly #base: Keyed;
  readonly #families: ReturnType<typeof families>;
  /**
   * Cache of a configuration's neighbours by its key, as every ask (proposal) repeats the descent from the
   * base.
   */
  readonly #neighbours = new Map<string, readonly Keyed[]>();

  constructor(ledger: TrialLedger, base: Codes) {
    this.#ledger = ledger;
    this.#base = keyed(base);
    this.#families = families(ledger.encoded);
  }

  /** The best configuration that the descent has reached so far, and its neighbours that no trial has tried. */
  state(): { readonly center: Keyed; readonly untried: readonly Keyed[] } {
    const ledger = this.#ledger;
    const coarse = new Map([[this.#base.key, this.#base]]);
    let center = this.#base;
    for (;;) {
      const around = this.#around(center);
      for (const neighbour of around) {
        coarse.set(neighbour.key, neighbour);
      }
      let best: LedgerEntry | undefined;
      for (const key of coarse.keys()) {
        const entry = ledger.find(key);
        if (entry !== undefined && (best === undefined || compareTrials(entry.trial, best.trial) < 0)) {
          best = entry;
        }
      }
      const next = best === undefined ? center : keyed(best.codes);
      if (next.key === center.key) {
        return { center, untried: around.filter(({ key }) => !ledger.has(key)) };
      }
      center = next;
    }
  }

  #around(center: Keyed): readonly Keyed[] {
    const known = this.#neighbours.get(center.key);
    if (known !== undefined) {
      return known;
    }
    const around = neighbours(this.#ledger.encoded, center, this.#families);
    this.#neighbours.set(center.key, around);
    return around;
  }
}
