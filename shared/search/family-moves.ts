import { type Codes, codesKey, type EncodedSpace, INACTIVE, isActive } from "./encoding.js";
import type { TrialLedger } from "./trial-ledger.js";

/** Parameters that ask the same question of different groups, in the space's order. */
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
  return [...members.values()].filter((parameters) => parameters.length > 1);
}

/** The configurations in which one whole family differs: everywhere the same choice, wherever it exists. */
function neighbours(encoded: EncodedSpace, center: Codes, all: ReturnType<typeof families>): Codes[] {
  return all.flatMap((parameters) => {
    const choices = encoded.space[parameters[0]!]!.choices;
    return choices
      .map((choice) => moved(encoded, center, parameters, choice))
      .filter((codes) => codesKey(codes) !== codesKey(center));
  });
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
  for (let d = 0; d < encoded.size; d++) {
    if (!isActive(encoded, codes, d)) {
      codes[d] = INACTIVE;
    } else if (codes[d] === INACTIVE) {
      codes[d] = 0;
    }
  }
  return codes;
}

/**
 * Coarse before fine: a descent from the base in which one step changes a whole family, such as the mode of all
 * activations. A model whose layers share a weakness (signed activations under a symmetric preset, say) is helped
 * by many groups at once and by hardly any of them alone, which a search group by group cannot see
 * (docs/search.md, measured on ppocr-rec).
 *
 * @returns the best configuration that the descent has reached, and its untried neighbours
 */
export function familyDescent(
  ledger: TrialLedger,
  base: Codes,
): { readonly center: Codes; readonly untried: readonly Codes[] } {
  const { encoded } = ledger;
  const all = families(encoded);
  const coarse = new Map([[codesKey(base), base]]);
  let center = base;
  for (;;) {
    const around = neighbours(encoded, center, all);
    for (const codes of around) {
      coarse.set(codesKey(codes), codes);
    }
    const best = ledger.ranked.find(({ codes }) => coarse.has(codesKey(codes)))?.codes ?? center;
    if (codesKey(best) === codesKey(center)) {
      return { center, untried: around.filter((codes) => !ledger.has(codes)) };
    }
    center = best;
  }
}
