import { configurationKey } from "../../search/space/configuration-key.js";
import type { Configuration } from "../../search/space/space.js";
import { isProposed, type RunState } from "../protocol/state.js";
import { BASE_TRIAL, findReferences, judgeTrial, type Study } from "../protocol/study.js";

/** A trial for which the sampler, asked again, proposed another configuration than the recorded one. */
export interface Divergence {
  readonly trial: number;
  readonly recorded: Configuration;
  /** The configuration that the sampler proposed now; `undefined` if it proposed nothing. */
  readonly replayed: Configuration | undefined;
}

export interface Replay {
  /** Number of trials for which the sampler was asked again. */
  readonly asks: number;
  readonly divergences: readonly Divergence[];
}

/**
 * Asks the sampler again for every trial of a run, from its seed and the recorded `seen` counts (how many
 * trials had ended when a trial was opened). With the same finished and running trials the sampler must
 * propose the same configurations, whatever the number of workers was.
 */
export function replayAsks(study: Study, state: RunState): Replay {
  const references = findReferences(state);
  if (references === undefined) return { asks: 0, divergences: [] };
  const sampler = study.createSampler(state.request, state.sensitivity);
  const asked = [...state.finished, ...state.running.filter(isProposed)].sort((a, b) => a.number - b.number);
  const divergences: Divergence[] = [];
  let reported = 0;
  let asks = 0;
  for (const { number, configuration, seen } of asked.slice(state.request.restored?.trials ?? 0)) {
    for (; reported < seen; reported++) {
      const trial = judgeTrial(study, state.request, references, state.finished[reported]!);
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
