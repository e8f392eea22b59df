import { isDeepStrictEqual } from "node:util";
import { InProcessQueue } from "../../shared/queues/in-process-queue.js";
import { Coordinator } from "../../shared/run/coordinator.js";
import { isProposed, type RunState, type TrialRecord } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { configurationKey } from "../../shared/search/space/configuration-key.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { toyAccuracy } from "../run/toy-model.js";
import { runWithoutFaults } from "./faultless-run.js";
import { assertInvariant } from "./invariant.js";
import type { Evaluations } from "./simulated/evaluations.js";

/**
 * Checks the invariants of a run that has ended, as it is stored.
 *
 * @param seen the last state that a coordinator returned; a coordinator that ended right after a save may
 * have gone further
 * @returns the state in the store
 */
export async function checkRun(
  seen: RunState,
  study: Study,
  evaluations: Evaluations,
  store: ObjectStore,
): Promise<RunState> {
  const jobs = new InProcessQueue({ kind: "standard", visibilityMilliseconds: 1 });
  const state = await new Coordinator({ store, jobs, study }).read(seen.request.runId);
  assertInvariant(
    state !== undefined &&
      state.phase === seen.phase &&
      isDeepStrictEqual(state.finished.slice(0, seen.finished.length), seen.finished),
    "the run read back from the store is not the one that ended",
  );
  assertEveryTrialEndedOnce(state);
  assertNoConfigurationTwice(state);
  assertFailureHasReason(state);
  assertMetricsAreTrue(state);
  assertEqualsFaultlessRun(state, runWithoutFaults(study, state, evaluations));
  return state;
}

function assertEveryTrialEndedOnce(state: RunState): void {
  const ended = state.finished.map(({ number }) => number);
  assertInvariant(new Set(ended).size === ended.length, `a trial ended twice: ${ended}`);
  const left = state.running.map(({ number }) => number);
  const all = [...ended, ...left].sort((a, b) => a - b);
  assertInvariant(
    all.length === state.asked && all.every((number, i) => number === i),
    `of ${state.asked} trials, these ended or run: ${all}`,
  );
  assertInvariant(
    left.length === 0 || state.stop === "cancelled" || state.phase === "failed",
    `the run ended although these trials had not: ${left}`,
  );
}

function assertNoConfigurationTwice({ finished, running }: RunState): void {
  const tried = [...finished, ...running.filter(isProposed)].map(({ configuration }) =>
    configuration === null ? "float" : configurationKey(configuration),
  );
  assertInvariant(new Set(tried).size === tried.length, "two trials have the same configuration");
}

function assertFailureHasReason(state: RunState): void {
  if (state.phase !== "failed") return;
  assertInvariant(
    /poisoned|bad luck|\(6 attempts\)|of an invocation|none answered/.test(state.failure ?? ""),
    `the run failed although nothing was wrong with it: ${state.failure}`,
  );
}

function assertMetricsAreTrue({ request, finished }: RunState): void {
  for (const trial of finished) {
    if (trial.state !== "complete") continue;
    const truth = toyAccuracy(request, trial.configuration, 0, request.evaluation.samples);
    assertInvariant(
      trial.measurement.metric === truth && trial.measurement.samples === request.evaluation.samples,
      `trial ${trial.number} has the metric ${trial.measurement.metric} instead of ${truth}`,
    );
  }
}

function assertEqualsFaultlessRun(state: RunState, faultless: RunState): void {
  const [actual, expected] = [state, faultless].map(({ finished }) => finished.map(outcomeOf));
  assertInvariant(
    isDeepStrictEqual(actual, expected),
    `the faultless run with the same order of results differs:\n${JSON.stringify(expected)}\n${JSON.stringify(actual)}`,
  );
  assertInvariant(
    state.best?.number === faultless.best?.number,
    `the best trial is ${state.best?.number}, and ${faultless.best?.number} without faults`,
  );
  if (state.phase !== "done") return;
  const best = state.finishing?.job.state === "done" ? state.finishing.job.result.best : undefined;
  const first = state.finishing?.candidates[0] ?? null;
  assertInvariant(best === first, `trial ${best} was written and not the best one, ${first}`);
  if (state.stop !== "cancelled")
    assertInvariant(
      first === (state.best?.number ?? null),
      `trial ${first} was taken for the best, which is ${state.best?.number}`,
    );
}

/** A trial's record without its times and number of attempts. */
function outcomeOf(trial: TrialRecord) {
  const { number, state, configuration, seen } = trial;
  const outcome = trial.state === "failed" ? trial.reason : [trial.measurement, trial.scores];
  return { number, state, configuration, seen, outcome };
}
