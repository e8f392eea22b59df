import { drawProductKernel, kernelMoves } from "../kernels/kernels.js";
import { createRandomStream } from "../numerics/random.js";
import { codesKey, countConfigurations, decodeConfiguration, encodeSpace } from "../space/encoding.js";
import type { Space } from "../space/space.js";
import type { Sampler } from "../trials/sampler.js";
import { TrialLedger } from "../trials/trial-ledger.js";
import { findUntried } from "./untried-configuration.js";

/** Creates random search: uniform choices for every active parameter. It is the baseline for the other samplers. */
export function createRandomSampler(space: Space, { seed }: { readonly seed: number }): Sampler {
  const encoded = encodeSpace(space);
  const total = countConfigurations(encoded);
  const ledger = new TrialLedger(encoded);
  const prior = { moves: kernelMoves(encoded), mismatch: 0.5 };
  return {
    ask(trial) {
      if (ledger.distinct >= total) {
        return undefined;
      }
      const random = createRandomStream(seed, trial, "sampler");
      const drawn = drawProductKernel(prior, undefined, random);
      return decodeConfiguration(
        encoded,
        ledger.has(codesKey(drawn)) ? findUntried(ledger, drawn, random, total) : drawn,
      );
    },
    started: (trial, configuration) => ledger.started(trial, configuration),
    tell(trial) {
      ledger.tell(trial);
    },
  };
}
