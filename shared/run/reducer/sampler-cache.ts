import { RecentlyUsed } from "../../basics/recently-used.js";
import type { Configuration } from "../../search/space/space.js";
import type { Sampler } from "../../search/trials/sampler.js";
import { isAsked, type RunningTrial, type RunState, type TrialRecord } from "../protocol/state.js";
import { findReferences, judgeTrial, type Study } from "../protocol/study.js";

/** Samplers kept between events; a run beyond them has its sampler built again. */
const RUNS_IN_MEMORY = 16;

interface Cached {
  readonly sampler: Sampler;
  told: number;
  lastTold: TrialRecord | undefined;
  readonly running: Map<number, Configuration>;
}

/**
 * Keeps the sampler from event to event, so that an ask need not tell it all finished trials again.
 *
 * A sampler is a function of the finished and the running trials, so this is a cache and no state: for a state
 * that does not continue the one it was last used with (a save that lost the race, a state read back
 * from the store), it is rebuilt and asks the same.
 */
export class SamplerCache {
  readonly #study: Study;
  readonly #cached = new RecentlyUsed<string, Cached>(RUNS_IN_MEMORY);

  constructor(study: Study) {
    this.#study = study;
  }

  /**
   * @param trial the first of the state that is open
   * @returns what it is to try; `undefined` where the space is exhausted
   */
  ask(state: RunState, { number, seen }: RunningTrial): Configuration | undefined {
    const cached = this.#synchronize(state, seen);
    const configuration = cached.sampler.ask(number);
    if (configuration === undefined) return undefined;
    cached.sampler.started(number, configuration);
    cached.running.set(number, configuration);
    return configuration;
  }

  /** @param seen so many of the finished trials have ended for the sampler; the others are still running for it */
  #synchronize(state: RunState, seen: number): Cached {
    const { runId } = state.request;
    const present = this.#cached.get(runId);
    const cached =
      present !== undefined && present.told <= seen && continues(present, state)
        ? present
        : this.#start(state, seen);
    this.#cached.set(runId, cached);
    const references = findReferences(state);
    if (references === undefined) throw new Error("the sampler was asked before the reference trials ended");
    for (const record of state.finished.slice(cached.told, seen)) {
      const trial = judgeTrial(this.#study, state.request, references, record);
      if (trial !== undefined) cached.sampler.tell(trial);
      cached.running.delete(record.number);
    }
    cached.told = seen;
    cached.lastTold = state.finished[seen - 1];
    return cached;
  }

  #start(state: RunState, seen: number): Cached {
    const sampler = this.#study.createSampler(state.request, state.sensitivity);
    const running = new Map<number, Configuration>();
    for (const { number, configuration } of [
      ...state.running.filter(isAsked),
      ...state.finished.slice(seen),
    ]) {
      if (configuration === null) continue;
      sampler.started(number, configuration);
      running.set(number, configuration);
    }
    return { sampler, told: 0, lastTold: undefined, running };
  }
}

/**
 * Records and configurations are created once, so finding the very same objects again means that the state
 * descends from the one that the sampler was last used with.
 */
function continues(cached: Cached, state: RunState): boolean {
  if (cached.told > 0 && state.finished[cached.told - 1] !== cached.lastTold) return false;
  const known = new Map<number, Configuration | null>();
  for (const { number, configuration } of state.running.filter(isAsked)) known.set(number, configuration);
  for (const { number, configuration } of state.finished.slice(cached.told)) known.set(number, configuration);
  for (const [number, configuration] of cached.running) if (known.get(number) !== configuration) return false;
  for (const [number, configuration] of known)
    if (configuration !== null && cached.running.get(number) !== configuration) return false;
  return true;
}
