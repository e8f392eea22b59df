import { createGreedyLayerSampler } from "../../shared/search/samplers/greedy-layer-sampler.js";
import { createRandomSampler } from "../../shared/search/samplers/random-sampler.js";
import { createTpeSampler } from "../../shared/search/samplers/tpe-sampler.js";
import { describeSampler } from "./sampler-conformance.js";

describeSampler("TPE", (space, base, seed) => createTpeSampler(space, { seed, base, maxTrials: 60 }));
describeSampler("TPE with sensitivities", (space, base, seed) => {
  const sensitivity = Object.fromEntries(space.map(({ group }, d) => [group, d % 5]));
  return createTpeSampler(space, { seed, base, maxTrials: 60, sensitivity });
});
describeSampler("TPE without a base", (space, _, seed) => createTpeSampler(space, { seed }));
describeSampler("random", (space, _, seed) => createRandomSampler(space, { seed }));
describeSampler("greedy layer removal", (space, base, seed) =>
  createGreedyLayerSampler(space, { seed, base }),
);
