import { type Codes, codesKey, type EncodedSpace, INACTIVE, repairActivity } from "../space/encoding.js";
import { compareTrials } from "../trials/ranking.js";
import type { LedgerEntry, TrialLedger } from "../trials/trial-ledger.js";

/** A configuration with its key. */
export interface Keyed {
  readonly codes: Codes;
  readonly key: string;
}

/**
 * Parameters that ask the same question of different groups, in the space's order, and those that ask one of the whole
 * model, each by itself.
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

/** The configurations in which one whole family differs: everywhere the same choice, wherever it exists. */
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
 * Coarse before fine: a descent from the base in which one step changes a whole family, such as the mode of all
 * activations. A model whose layers share a weakness (signed activations under a symmetric preset, say) is helped
 * by many groups at once and by hardly any of them alone, which a search group by group cannot see
 * (docs/search.md, measured on ppocr-rec).
 */
export class FamilyDescent {
  readonly #ledger: TrialLedger;
  readonly #base: Keyed;
  readonly #families: ReturnType<typeof families>;
  /** Neighbours by the key of their centre: the descent is walked anew with every ask. */
  readonly #neighbours = new Map<string, readonly Keyed[]>();

  constructor(ledger: TrialLedger, base: Codes) {
    this.#ledger = ledger;
    this.#base = keyed(base);
    this.#families = families(ledger.encoded);
  }

  /** The best configuration that the descent has reached by now, and its untried neighbours. */
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
