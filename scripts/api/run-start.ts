import { UsageError } from "../../shared/errors.js";
import { narrowSpace } from "../../shared/quantization/narrowed-space.js";
import { planQuantization, type QuantizationPlan } from "../../shared/quantization/plan.js";
import type { TuningSpace } from "../../shared/quantization/space.js";
import type { TuningOptions } from "../../shared/quantization/tuning-options.js";
import { rankCandidates } from "../../shared/run/asking.js";
import { canonicalJson } from "../../shared/run/configuration/hash.js";
import { withScopesOf } from "../../shared/run/configuration/merged-scopes.js";
import { validateConfiguration } from "../../shared/run/configuration/parse.js";
import { quantizationSettings } from "../../shared/run/configuration/quantization-settings.js";
import type { RunConfiguration, RunConfigurationInput } from "../../shared/run/configuration/schema.js";
import { type ConfigurationFor, requireSupported } from "../../shared/run/configuration/supported.js";
import type { RunRequest } from "../../shared/run/request.js";
import { type RestoredTrials, restoreTrials } from "../../shared/run/restored-trials.js";
import { findFinished, type RunState, type TrialRecord } from "../../shared/run/state.js";
import { tuningStudy } from "../../shared/run/tuning-study.js";
import { loadWorkload, type Workload } from "../../shared/scoring/workload.js";
import { adoptConfiguration } from "../../shared/search/adopt-configuration.js";
import type { Configuration } from "../../shared/search/space.js";
import type { EarlierRun } from "./earlier-runs.js";
import { openStatistics } from "./statistics-folder.js";

/** What a run begins with. */
export interface RunStart {
  readonly workload: Workload;
  /** The space that is searched and the configuration that it is searched from, trial 1. */
  readonly space: TuningSpace;
  /** Trials of an earlier run that are this run's first ones. */
  readonly restored: readonly TrialRecord[];
  /** The configuration's when left out. */
  readonly maxTrials?: number;
  /** Sentences for the user: what it begins with, and what could not be done as asked for. */
  readonly notices: readonly string[];
}

export interface StartOptions {
  readonly configuration: ConfigurationFor<"tune">;
  readonly directory: string;
  readonly out: string;
  /** The runs of the output folder, oldest first. */
  readonly runs: readonly EarlierRun[];
  /** The request that a workload makes, for the rules that an earlier run's trials are judged by. */
  readonly draft: (workload: Workload) => RunRequest;
}

/**
 * What a run begins with by its `trials_load_method` (reference, "What we do instead" and section 2.5), from the records
 * of the latest run in the output folder.
 *
 * @throws {UsageError} when `eval` finds no configuration to rebuild
 * @throws {ConfigurationError | ModelError | DataError}
 */
export async function planStart(options: StartOptions): Promise<RunStart> {
  const { configuration, directory, out } = options;
  const method = configuration.optimizer.params.trials_load_method;
  if (method === "cold_start") return coldStart(await load(configuration, directory));
  const found = findSource(options.runs);
  if (found === undefined) {
    return withoutSource(options, `${out} holds no earlier run with a scored quantized trial`);
  }
  const { state } = found;
  const { runId } = state.request;
  const merged = withScopesOf(configuration, found.configuration);
  requireSupported(merged, "tune");
  const workload = await load(merged, directory);
  const earlier = new EarlierTrials(state, quantizationSettings(found.configuration).options, workload);
  const own = quantizationSettings(configuration).options;
  const request = options.draft(workload);
  const difference = findDifference(state, request);
  const best = findBest(state, request, workload, difference === undefined);
  const center = best?.configuration == null ? undefined : earlier.adopt(best.configuration);
  const around = (configuration: Configuration): TuningSpace =>
    narrowSpace(workload.subject.space, configuration, own);
  if (best === undefined || center === undefined) {
    return withoutSource(
      options,
      `the best configuration of run ${runId} cannot be expressed with this model and configuration`,
    );
  }
  const fromBest = { workload, space: around(center), restored: [] };
  if (method === "fine_tune") {
    return { ...fromBest, notices: [`Begins around trial ${best.number} of run ${runId}.`] };
  }
  const base = earlier.adopt(state.request.base);
  const space = base === undefined ? undefined : around(base);
  const { trials, setAside }: RestoredTrials =
    difference !== undefined || space === undefined
      ? { trials: [], setAside: state.finished.length }
      : restoreTrials(state, (choices) => earlier.adopt(choices, space));
  if (method === "eval") {
    const isRestored = trials.some(({ origin, number }) => (origin?.trial ?? number) === best.number);
    const rebuilt = `Rebuilds trial ${best.number} of run ${runId}`;
    if (space === undefined || !isRestored)
      return { ...fromBest, maxTrials: 1, notices: [`${rebuilt}, and scores it anew.`] };
    const maxTrials = trials.length - 1;
    return { workload, space, restored: trials, maxTrials, notices: [`${rebuilt}, without a trial.`] };
  }
  if (space === undefined || trials.length === 0) {
    const why = difference ?? "its base configuration cannot be expressed with this model and configuration";
    return withoutSource(options, `the trials of run ${runId} are set aside, because ${why}`);
  }
  const restored = `Begins with ${trials.length} trials of run ${runId}, the float model's included`;
  const left = setAside === 0 ? "." : `; ${setAside} that the tuning scope cannot express are set aside.`;
  return { workload, space, restored: trials, notices: [`${restored}${left}`] };
}

/** The workload of a run that is gone on with: what it began with is in its records. */
export async function resumedWorkload({ state, remembered }: EarlierRun): Promise<Workload> {
  const known = remembered && parseRemembered(remembered);
  if (known === undefined) {
    throw new UsageError(
      `The configuration of run ${state.request.runId} is not on record as this version writes it; start a new run in another folder by --out.`,
    );
  }
  requireSupported(known.configuration, "tune");
  return load(known.configuration, known.directory);
}

function load(configuration: ConfigurationFor<"tune">, directory: string): Promise<Workload> {
  return loadWorkload(configuration, directory, openStatistics);
}

function coldStart(workload: Workload, notices: readonly string[] = []): RunStart {
  return { workload, space: workload.subject.space, restored: [], notices };
}

async function withoutSource(
  { configuration, directory, out }: StartOptions,
  why: string,
): Promise<RunStart> {
  const method = configuration.optimizer.params.trials_load_method;
  if (method === "eval") {
    throw new UsageError(
      `trials_load_method is "eval", but ${why}; run cold_start first, or give the folder of its output by --out (it is ${out}).`,
    );
  }
  const notice = `trials_load_method is "${method}", but ${why}; running as cold_start.`;
  return coldStart(await load(configuration, directory), [notice]);
}

interface Source {
  readonly state: RunState;
  readonly configuration: RunConfiguration;
}

/** The latest run that has something to begin with, and the configuration that it was started with. */
function findSource(runs: readonly EarlierRun[]): Source | undefined {
  for (const { state, remembered } of runs.toReversed()) {
    const isScored = state.finished.some(
      (trial) => trial.state === "complete" && trial.configuration !== null,
    );
    const known = isScored && remembered !== undefined ? parseRemembered(remembered) : undefined;
    if (known !== undefined) return { state, configuration: known.configuration };
  }
  return undefined;
}

/** `undefined` where it is of another version, which had other keys. */
function parseRemembered({ configuration, directory }: NonNullable<EarlierRun["remembered"]>) {
  try {
    return validateConfiguration(configuration as RunConfigurationInput, { directory });
  } catch {
    return undefined;
  }
}

/** An earlier run's choices in the space of a workload whose scopes hold that run's. */
class EarlierTrials {
  readonly #known: ReadonlySet<string>;

  constructor(
    state: RunState,
    private readonly options: TuningOptions,
    private readonly workload: Workload,
  ) {
    this.#known = new Set(workload.subject.space.parameters.map(({ name }) => name));
    this.#earlierNames = state.request.space.map(({ name }) => name);
  }

  readonly #earlierNames: readonly string[];

  /** @returns `undefined` unless it quantizes every tensor as it did, and `space` holds it */
  adopt(configuration: Configuration, space = this.workload.subject.space): Configuration | undefined {
    const { layout, hardware, settings, space: whole } = this.workload.subject;
    if (!this.#earlierNames.every((name) => this.#known.has(name))) return undefined;
    const adopted = adoptConfiguration(whole.parameters, whole.defaults, configuration);
    if (adopted === undefined) return undefined;
    const before = planQuantization(layout, hardware, this.options, configuration);
    const now = planQuantization(layout, hardware, settings.options, adopted);
    if (planKey(before) !== planKey(now)) return undefined;
    return adoptConfiguration(space.parameters, space.defaults, adopted);
  }
}

function planKey({ ops, activations, weights }: QuantizationPlan): string {
  return canonicalJson([[...ops], [...activations], [...weights]]);
}

/** Why trials of the earlier run cannot stand beside trials of this one. */
function findDifference(state: RunState, request: RunRequest): string | undefined {
  const { request: earlier, isa = earlier.isa } = state;
  if (earlier.measuredUnder !== request.measuredUnder)
    return "model, data, metric, session or algorithms are not the same";
  if (isa !== request.isa) return `it was scored on ${isa}, and this machine is ${request.isa}`;
  if (request.optimizer.measureLatency && !earlier.optimizer.measureLatency)
    return "it measured no latencies, which this objective needs";
  return undefined;
}

/** By this run's objective where trials can be compared, else the one that the earlier run chose. */
function findBest(
  state: RunState,
  request: RunRequest,
  { metric }: Workload,
  comparable: boolean,
): TrialRecord | undefined {
  const rules = comparable ? { ...state.request, optimizer: request.optimizer } : state.request;
  const chosen = comparable ? undefined : state.finishing?.candidates[0];
  if (chosen !== undefined) return findFinished(state, chosen);
  return rankCandidates(tuningStudy(metric), { ...state, request: rules }, 1)[0];
}
