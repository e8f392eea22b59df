import { RecentlyUsed } from "../../basics/recently-used.js";
import { safeguard } from "../../basics/safeguard.js";
import type { Configuration } from "../../search/space/space.js";
import type { Sampler } from "../../search/trials/sampler.js";
import { isProposed, type RunningTrial, type RunState, type TrialRecord } from "../protocol/state.js";
import { findReferences, judgeTrial, type Study } from "../protocol/study.js";

/** Maximum number of runs whose sampler is cached between events; the sampler of other runs is rebuilt. */
const RUNS_IN_MEMORY = 16;

interface Cached {
  readonly sampler: Sampler;
  reported: number;
  lastReported: TrialRecord | undefined;
  readonly running: Map<number, Configuration>;
}

/**
 * Caches the sampler of each run between events, so that all finished trials need not be reported to it again
 * before each proposal.
 *
 * A sampler is a function of the finished and the running trials, so this is only a cache: for a state that
 * does not continue the one last used (after a lost compare-and-swap, or a state read from the store), the
 * sampler is rebuilt and proposes the same.
 */
export class SamplerCache {
  readonly #study: Study;
  readonly #cached = new RecentlyUsed<string, Cached>(RUNS_IN_MEMORY);

  constructor(study: Study) {
    this.#study = study;
  }

  /**
   * The configuration proposed for a trial; `undefined` if the space is exhausted.
   *
   * @param trial the state's first open trial
   */
  ask(state: RunState, { number, seen }: RunningTrial): Configuration | undefined {
    const visible = safeguard("asks-see-earlier-trials-only") ? seen : state.finished.length;
    const cached = this.#synchronize(state, visible);
    const configuration = cached.sampler.ask(number);
    if (configuration === undefined) return undefined;
    cached.sampler.started(number, configuration);
    cached.running.set(number, configuration);
    return configuration;
  }

  /**
   * The run's sampler, to which the first `seen` finished trials have been reported.
   *
   * @param seen number of finished trials that the sampler sees as ended; it sees the others as running
   */
  #synchronize(state: RunState, seen: number): Cached {
    const { runId } = state.request;
    const present = this.#cached.get(runId);
    const cached =
      present !== undefined && present.reported <= seen && continues(present, state)
        ? present
        : this.#start(state, seen);
    this.#cached.set(runId, cached);
    const references = findReferences(state);
    if (references === undefined) throw new Error("the sampler was asked before the reference trials ended");
    for (const record of state.finished.slice(cached.reported, seen)) {
      const trial = judgeTrial(this.#study, state.request, references, record);
      if (trial !== undefined) cached.sampler.tell(trial);
      cached.running.delete(record.number);
    }
    cached.reported = seen;
    cached.lastReported = state.finished[seen - 1];
    return cached;
  }

  #start(state: RunState, seen: number): Cached {
    const sampler = this.#study.createSampler(state.request, state.sensitivity);
    const running = new Map<number, Configuration>();
    for (const { number, configuration } of [
      ...state.running.filter(isProposed),
      ...(safeguard("asks-know-running-trials") ? state.finished.slice(seen) : []),
    ]) {
      if (configuration === null) continue;
      sampler.started(number, configuration);
      running.set(number, configuration);
    }
    return { sampler, reported: 0, lastReported: undefined, running };
  }
}

/**
 * Whether the state descends from the one that the cached sampler was last used with: records and
 * configurations are created once, so the state then contains the very same objects.
 */
function continues(cached: Cached, state: RunState): boolean {
  if (cached.reported > 0 && state.finished[cached.reported - 1] !== cached.lastReported) return false;
  const known = new Map<number, Configuration | null>();
  for (const { number, configuration } of state.running.filter(isProposed)) known.set(number, configuration);
  for (const { number, configuration } of state.finished.slice(cached.reported))
    known.set(number, configuration);
  for (const [number, configuration] of cached.running) if (known.get(number) !== configuration) return false;
  for (const [number, configuration] of known)
    if (configuration !== null && cached.running.get(number) !== configuration) return false;
  return true;
}
