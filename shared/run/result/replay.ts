import { configurationKey } from "../../search/space/configuration-key.js";
import type { Configuration } from "../../search/space/space.js";
import { isAsked, type RunState } from "../protocol/state.js";
import { BASE_TRIAL, findReferences, judgeTrial, type Study } from "../protocol/study.js";

/** An ask that gave something else when it was repeated. */
export interface Divergence {
  readonly trial: number;
  readonly recorded: Configuration;
  /** `undefined` where the sampler had nothing left to ask. */
  readonly replayed: Configuration | undefined;
}

export interface Replay {
  /** Asks that were repeated. */
  readonly asks: number;
  readonly divergences: readonly Divergence[];
}

/**
 * Repeats every ask of a run from its seed and from the record of what each had seen (search.md, "The sampler"): with
 * the same finished and running trials the sampler must ask for the same configurations, however many workers there
 * were.
 */
export function replayAsks(study: Study, state: RunState): Replay {
  const references = findReferences(state);
  if (references === undefined) return { asks: 0, divergences: [] };
  const sampler = study.createSampler(state.request, state.sensitivity);
  const asked = [...state.finished, ...state.running.filter(isAsked)].sort((a, b) => a.number - b.number);
  const divergences: Divergence[] = [];
  let told = 0;
  let asks = 0;
  for (const { number, configuration, seen } of asked.slice(state.request.restored?.trials ?? 0)) {
    for (; told < seen; told++) {
      const trial = judgeTrial(study, state.request, references, state.finished[told]!);
      if (trial !== undefined) sampler.tell(trial);
    }
    if (configuration === null) continue;
    if (number > BASE_TRIAL) {
      asks++;
      const replayed = sampler.ask(number);
      const same = replayed !== undefined && configurationKey(replayed) === configurationKey(configuration);
      if (!same) divergences.push({ trial: number, recorded: configuration, replayed });
    }
    sampler.started(number, configuration);
  }
  return { asks, divergences };
}
