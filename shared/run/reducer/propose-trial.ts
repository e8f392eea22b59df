import { isProposed, type RunState } from "../protocol/state.js";
import type { Study } from "../protocol/study.js";
import { startFinish } from "./finish-phase.js";
import type { SamplerCache } from "./sampler-cache.js";

/**
 * The state with a configuration, proposed by the sampler, for the first open trial (one that has been
 * started without a configuration); the same object if no trial is open. The proposal depends only on the
 * state: on the trials that had ended and that were running when the trial was opened.
 */
export function proposeFirst(study: Study, cache: SamplerCache, state: RunState): RunState {
  const { running } = state;
  const open = running.findIndex((trial) => !isProposed(trial));
  if (open === -1) return state;
  const trial = running[open]!;
  const configuration = cache.ask(state, trial);
  if (configuration !== undefined)
    return { ...state, running: running.with(open, { ...trial, configuration }) };
  // The space is exhausted, so later open trials are dropped too. Exhaustion overrides every other stop
  // reason except cancellation.
  const stop = state.stop === "cancelled" ? state.stop : "space_exhausted";
  const exhausted: RunState = { ...state, stop, asked: trial.number, running: running.slice(0, open) };
  return exhausted.phase === "search" && open === 0 ? startFinish(study, exhausted, state.lastAt) : exhausted;
}
