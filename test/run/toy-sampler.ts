import { createRandomStream, type RandomStream } from "../../shared/search/numerics/random.js";
import {
  type Codes,
  codesKey,
  decodeConfiguration,
  encodeConfiguration,
  encodeSpace,
  enumerateConfigurations,
  INACTIVE,
  isActive,
} from "../../shared/search/space/encoding.js";
import type { Configuration, Space } from "../../shared/search/space/space.js";
import { compareTrials } from "../../shared/search/trials/ranking.js";
import type { FinishedTrial, Sampler } from "../../shared/search/trials/sampler.js";

/**
 * A sampler that moves from the best finished trial to a neighbour or anywhere, so its proposals reveal all
 * that it was told.
 */
export function createHillClimber(space: Space, seed: number): Sampler {
  const encoded = encodeSpace(space);
  const used = new Map<number, string>();
  let best: FinishedTrial | undefined;
  const keyOf = (configuration: Configuration): string =>
    codesKey(encodeConfiguration(encoded, configuration));

  const draw = (random: RandomStream): Codes => {
    const from =
      best !== undefined && random.uniform() < 0.7
        ? encodeConfiguration(encoded, best.configuration)
        : undefined;
    const changed = random.below(encoded.size);
    const codes = new Int16Array(encoded.size).fill(INACTIVE);
    for (let d = 0; d < encoded.size; d++) {
      if (!isActive(encoded, codes, d)) continue;
      const kept = from?.[d] ?? INACTIVE;
      codes[d] = kept === INACTIVE || d === changed ? random.below(encoded.cardinality[d]!) : kept;
    }
    return codes;
  };

  return {
    ask(trial) {
      const random = createRandomStream(seed, trial, "sampler");
      const taken = new Set(used.values());
      for (let draws = 0; draws < 50; draws++) {
        const codes = draw(random);
        if (!taken.has(codesKey(codes))) return decodeConfiguration(encoded, codes);
      }
      for (const codes of enumerateConfigurations(encoded))
        if (!taken.has(codesKey(codes))) return decodeConfiguration(encoded, codes);
      return undefined;
    },
    started(trial, configuration) {
      used.set(trial, keyOf(configuration));
    },
    tell(trial) {
      used.set(trial.number, keyOf(trial.configuration));
      if (trial.state === "complete" && (best === undefined || compareTrials(trial, best) < 0)) best = trial;
    },
  };
}
