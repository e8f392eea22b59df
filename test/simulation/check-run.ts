import { isDeepStrictEqual } from "node:util";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import { isAsked, type RunState, type TrialRecord } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { configurationKey } from "../../shared/search/space/configuration-key.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { toyAccuracy } from "../run/toy-model.js";
import { runUndisturbed } from "./faultless-run.js";
import { insist } from "./invariant.js";
import type { Evaluations } from "./simulated/evaluations.js";

/**
 * Holds a run that has ended, as it lies in the store, against the invariants.
 *
 * @param seen the state that a coordinator showed last; one that ended right after a save may have gone further
 * @returns the state in the store
 */
export async function judgeRun(
  seen: RunState,
  study: Study,
  evaluations: Evaluations,
  store: ObjectStore,
): Promise<RunState> {
  const jobs = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 1 });
  const state = await new Coordinator({ store, jobs, study }).read(seen.request.runId);
  insist(
    state !== undefined &&
      state.phase === seen.phase &&
      isDeepStrictEqual(state.finished.slice(0, seen.finished.length), seen.finished),
    "the run read back from the store is not the one that ended",
  );
  endsEveryTrialOnce(state);
  triesNothingTwice(state);
  failsForAReason(state);
  measuresTheTruth(state);
  equalsUndisturbed(state, runUndisturbed(study, state, evaluations));
  return state;
}

function endsEveryTrialOnce(state: RunState): void {
  const ended = state.finished.map(({ number }) => number);
  insist(new Set(ended).size === ended.length, `a trial ended twice: ${ended}`);
  const left = state.running.map(({ number }) => number);
  const all = [...ended, ...left].sort((a, b) => a - b);
  insist(
    all.length === state.asked && all.every((number, i) => number === i),
    `of ${state.asked} trials, these ended or run: ${all}`,
  );
  insist(
    left.length === 0 || state.stop === "cancelled" || state.phase === "failed",
    `the run ended although these trials had not: ${left}`,
  );
}

function triesNothingTwice({ finished, running }: RunState): void {
  const tried = [...finished, ...running.filter(isAsked)].map(({ configuration }) =>
    configuration === null ? "float" : configurationKey(configuration),
  );
  insist(new Set(tried).size === tried.length, "two trials have the same configuration");
}

function failsForAReason(state: RunState): void {
  if (state.phase !== "failed") return;
  insist(
    /poisoned|bad luck|\(6 attempts\)|of an invocation|none answered/.test(state.failure ?? ""),
    `the run failed although nothing was wrong with it: ${state.failure}`,
  );
}

function measuresTheTruth({ request, finished }: RunState): void {
  for (const trial of finished) {
    if (trial.state !== "complete") continue;
    const truth = toyAccuracy(request, trial.configuration, 0, request.evaluation.samples);
    insist(
      trial.measurement.metric === truth && trial.measurement.samples === request.evaluation.samples,
      `trial ${trial.number} has the metric ${trial.measurement.metric} instead of ${truth}`,
    );
  }
}

function equalsUndisturbed(state: RunState, undisturbed: RunState): void {
  const [course, straight] = [state, undisturbed].map(({ finished }) => finished.map(outcomeOf));
  insist(
    isDeepStrictEqual(course, straight),
    `the undisturbed run with the same order of results went another way:\n${JSON.stringify(straight)}\n${JSON.stringify(course)}`,
  );
  insist(
    state.best?.number === undisturbed.best?.number,
    `the best trial is ${state.best?.number}, and ${undisturbed.best?.number} undisturbed`,
  );
  if (state.phase !== "done") return;
  const best = state.finishing?.job.state === "done" ? state.finishing.job.result.best : undefined;
  const first = state.finishing?.candidates[0] ?? null;
  insist(best === first, `trial ${best} was written and not the best one, ${first}`);
  if (state.stop !== "cancelled")
    insist(
      first === (state.best?.number ?? null),
      `trial ${first} was taken for the best, which is ${state.best?.number}`,
    );
}

/** What a trial is apart from when it ended and after how many attempts. */
function outcomeOf(trial: TrialRecord) {
  const { number, state, configuration, seen } = trial;
  const outcome = trial.state === "failed" ? trial.reason : [trial.measurement, trial.scores];
  return { number, state, configuration, seen, outcome };
}
