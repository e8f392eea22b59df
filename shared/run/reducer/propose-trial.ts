import { isAsked, type RunState } from "../protocol/state.js";
import type { Study } from "../protocol/study.js";
import { startFinishing } from "./finish-phase.js";
import type { SamplerCache } from "./sampler-cache.js";

/**
 * Has the sampler say what the first open trial tries, which depends on nothing but the state: on what had ended and
 * what ran when the trial was decided on. The very same state where no trial is open.
 */
export function proposeFirst(study: Study, cache: SamplerCache, state: RunState): RunState {
  const { running } = state;
  const open = running.findIndex((trial) => !isAsked(trial));
  if (open === -1) return state;
  const trial = running[open]!;
  const configuration = cache.ask(state, trial);
  if (configuration !== undefined)
    return { ...state, running: running.with(open, { ...trial, configuration }) };
  // Nor is there anything for those behind it. Had it been known, no other reason to stop would have been looked for.
  const stop = state.stop === "cancelled" ? state.stop : "space_exhausted";
  const exhausted: RunState = { ...state, stop, asked: trial.number, running: running.slice(0, open) };
  return exhausted.phase === "search" && open === 0
    ? startFinishing(study, exhausted, state.lastAt)
    : exhausted;
}
