import { UsageError } from "../../shared/basics/errors.js";
import { canonicalJson } from "../../shared/configuration/hash.js";
import { withScopesOf } from "../../shared/configuration/merged-scopes.js";
import { validateConfiguration } from "../../shared/configuration/parse.js";
import {
  type QuantizationSettings,
  quantizationSettings,
} from "../../shared/configuration/quantization-settings.js";
import type { RunConfiguration, RunConfigurationInput } from "../../shared/configuration/schema.js";
import { type ConfigurationFor, requireSupported } from "../../shared/configuration/supported.js";
import { tooManyRewritings } from "../../shared/configuration/tuned-algorithms.js";
import { fixedAlgorithmChoices } from "../../shared/evaluation/model/chosen-algorithms.js";
import { loadWorkload, type Workload } from "../../shared/evaluation/workload/workload.js";
import { narrowSpace } from "../../shared/quantization/space/narrowed-space.js";
import { planQuantization, type QuantizationPlan } from "../../shared/quantization/space/plan.js";
import type { TuningSpace } from "../../shared/quantization/space/space.js";
import type { RunRequest } from "../../shared/run/protocol/request.js";
import { findFinished, type RunState, type TrialRecord } from "../../shared/run/protocol/state.js";
import { findReferences } from "../../shared/run/protocol/study.js";
import { tuningStudy } from "../../shared/run/protocol/tuning-study.js";
import { type RestoredTrials, restoreTrials } from "../../shared/run/records/restored-trials.js";
import { rankCandidates } from "../../shared/run/reducer/open-trials.js";
import { adoptConfiguration } from "../../shared/search/space/adopt-configuration.js";
import { configurationKey } from "../../shared/search/space/configuration-key.js";
import type { Configuration } from "../../shared/search/space/space.js";
import type { LossReference } from "../../shared/search/trials/objective.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import type { EarlierRun } from "./earlier-runs.js";

/** The starting point of a run: its workload, search space and the trials that it takes over from an earlier run. */
export interface RunStart {
  readonly workload: Workload;
  /** The search space and its base configuration, which is trial 1. */
  readonly space: TuningSpace;
  /** Trials of an earlier run that become this run's first trials. */
  readonly restored: readonly TrialRecord[];
  /** Processor class on which the trials taken over (`restored`) were scored. */
  readonly isa?: string;
  /** Limit on the number of trials; the configuration's when omitted. */
  readonly maxTrials?: number;
  readonly lossReference?: LossReference;
  /** Sentences for the user: what the run starts from, and which request could not be followed. */
  readonly notices: readonly string[];
}

/** Earlier runs, one of which a new run may start from, and the texts for when none can be used. */
export interface EarlierRuns {
  /** The earlier runs, oldest first. */
  readonly runs: readonly EarlierRun[];
  /** Clause of a message that says why none of the runs can be used. */
  readonly nothing: string;
  /** Remedy in the error message when an earlier run is required and none can be used. */
  readonly remedy: string;
}

export interface StartOptions {
  readonly configuration: ConfigurationFor<"tune">;
  readonly directory: string;
  readonly earlier: EarlierRuns;
  /** Opens the store of calibration statistics, which are keyed by content. */
  readonly openStatistics: () => Promise<ObjectStore>;
  /** Makes the run request for a workload; the earlier run's trials are judged by the rules in it. */
  readonly draft: (workload: Workload, earlier: RunState) => RunRequest;
}

/**
 * Determines the starting point of a run by `trials_load_method`, from the records of the latest earlier run
 * that can be used.
 *
 * @throws {UsageError} when `eval` finds no configuration to rebuild
 * @throws {ConfigurationError | ModelError | DataError}
 */
export async function planStart(options: StartOptions): Promise<RunStart> {
  const { configuration, earlier } = options;
  const method = configuration.optimizer.params.trials_load_method;
  if (method === "cold_start") return coldStart(await load(configuration, options));
  const found = findSource(earlier.runs);
  if (found === undefined) return withoutSource(options, earlier.nothing);
  const source = await openSource(options, found);
  if (source === undefined) {
    const { runId } = found.state.request;
    return withoutSource(
      options,
      `the best configuration of run ${runId} cannot be expressed with this model and configuration`,
    );
  }
  const start = {
    workload: source.workload,
    restored: [],
    ...isaOf(source.state),
    ...lossReferenceOf(source),
  };
  switch (method) {
    case "fine_tune":
      return {
        ...start,
        space: source.around(source.center),
        notices: [`Begins around trial ${source.best.number} of run ${source.runId}.`],
      };
    case "eval":
      return { ...start, ...rebuild(source) };
    case "warm_start": {
      const { space, trials, setAside } = source.restore();
      if (space === undefined || trials.length === 0) {
        const why =
          source.difference ?? "its base configuration cannot be expressed with this model and configuration";
        return withoutSource(options, `the trials of run ${source.runId} are set aside, because ${why}`);
      }
      const taken = `Begins with ${trials.length} trials of run ${source.runId}, the float model's included`;
      const left = setAside === 0 ? "." : `; ${setAside} that the tuning scope cannot express are set aside.`;
      return { ...start, space, restored: trials, notices: [`${taken}${left}`] };
    }
  }
}

/**
 * Starting point of a run with `trials_load_method: "eval"`: the best earlier configuration, without a new trial
 * when its measurements are still valid.
 */
function rebuild(source: Source): Pick<RunStart, "space" | "restored" | "maxTrials" | "notices"> {
  const { best, center, runId } = source;
  const { space, trials } = source.restore();
  const sought = configurationKey(center);
  const isRestored = trials.some(
    ({ configuration }) => configuration !== null && configurationKey(configuration) === sought,
  );
  const rebuilt = `Rebuilds trial ${best.number} of run ${runId}`;
  if (space === undefined || !isRestored) {
    const notices = [`${rebuilt}, and scores it anew.`];
    return { space: source.around(center), restored: [], maxTrials: 1, notices };
  }
  const notices = [`${rebuilt}, without a trial.`];
  return { space, restored: trials, maxTrials: trials.length - 1, notices };
}

/** An earlier run, translated to the configuration and workload of this run. */
interface Source {
  readonly state: RunState;
  readonly runId: string;
  readonly workload: Workload;
  readonly best: TrialRecord;
  /** Choices of the earlier run's best trial, in the space of both runs' scopes. */
  readonly center: Configuration;
  /** Why the earlier run's trials are not comparable with this run's; `undefined` when they are. */
  readonly difference: string | undefined;
  /** The search space of this run's scopes with a given configuration as its base. */
  around(configuration: Configuration): TuningSpace;
  /**
   * The earlier run's trials that this run can take over, in the search space around the earlier run's base
   * configuration.
   */
  restore(): RestoredTrials & { readonly space: TuningSpace | undefined };
}

/**
 * Translates an earlier run to this run's configuration and workload.
 *
 * @returns `undefined` when the earlier best configuration cannot be expressed in this run
 */
async function openSource(
  options: StartOptions,
  { state, configuration: theirs }: Found,
): Promise<Source | undefined> {
  const { configuration, draft } = options;
  const merged = withScopesOf(configuration, theirs);
  if (tooManyRewritings(merged.compression.algorithms) !== undefined) return undefined;
  requireSupported(merged, "tune");
  const workload = await load(merged, options);
  const earlier = new EarlierChoices(state, quantizationSettings(theirs), workload);
  const own = quantizationSettings(configuration);
  const request = draft(workload, state);
  const difference = findDifference(state, request);
  const best = findBest(state, request, workload, difference === undefined);
  const center = best?.configuration == null ? undefined : earlier.adopt(best.configuration);
  if (best === undefined || center === undefined) return undefined;
  const around = (choices: Configuration): TuningSpace =>
    narrowSpace(workload.subject.space, choices, own.options, own.tunedAlgorithms);
  const restore: Source["restore"] = () => {
    const base = earlier.adopt(state.request.base);
    const space = base && around(base);
    if (difference !== undefined || space === undefined) return { space, trials: [], setAside: 0 };
    return { space, ...restoreTrials(state, (choices) => earlier.adopt(choices, space)) };
  };
  return { state, runId: state.request.runId, workload, best, center, difference, around, restore };
}

/**
 * Measurements that objective `loss` is scaled by: those of the fully quantized model, which is not the base
 * (trial 1) when a run starts around an earlier best.
 */
function lossReferenceOf({ state, workload, difference }: Source): Pick<RunStart, "lossReference"> {
  if (difference !== undefined) return {};
  const references = findReferences(state);
  const known = state.request.lossReference;
  if (known !== undefined) return { lossReference: known };
  if (references?.base?.latency === undefined) return {};
  const { float, base } = references;
  const accuracyDrop = workload.metric.loss(float.metric, base.metric);
  return { lossReference: { accuracyDrop, latencyRatio: references.base.latency.ratio } };
}

/** The workload of a run that is resumed, from the configuration in its records. */
export async function resumedWorkload(
  { state, remembered }: EarlierRun,
  openStatistics: StartOptions["openStatistics"],
): Promise<Workload> {
  const known = remembered && parseStoredConfiguration(remembered);
  if (known === undefined) {
    throw new UsageError(
      `The configuration of run ${state.request.runId} is not on record as this version writes it; start a new run in another folder by --out.`,
    );
  }
  requireSupported(known.configuration, "tune");
  return load(known.configuration, { directory: known.directory, openStatistics });
}

function load(
  configuration: ConfigurationFor<"tune">,
  { directory, openStatistics }: Pick<StartOptions, "directory" | "openStatistics">,
): Promise<Workload> {
  return loadWorkload(configuration, directory, openStatistics);
}

function coldStart(workload: Workload, notices: readonly string[] = []): RunStart {
  return { workload, space: workload.subject.space, restored: [], notices };
}

async function withoutSource(options: StartOptions, why: string): Promise<RunStart> {
  const { configuration, earlier } = options;
  const method = configuration.optimizer.params.trials_load_method;
  if (method === "eval") throw new UsageError(`trials_load_method is "eval", but ${why}; ${earlier.remedy}.`);
  const notice = `trials_load_method is "${method}", but ${why}; running as cold_start.`;
  return coldStart(await load(configuration, options), [notice]);
}

interface Found {
  readonly state: RunState;
  readonly configuration: RunConfiguration;
}

/** The latest run with a scored quantized trial, and the configuration that it was started with. */
function findSource(runs: readonly EarlierRun[]): Found | undefined {
  for (const { state, remembered } of runs.toReversed()) {
    const isScored = state.finished.some(
      (trial) => trial.state === "complete" && trial.configuration !== null,
    );
    const known = isScored && remembered !== undefined ? parseStoredConfiguration(remembered) : undefined;
    if (known !== undefined) return { state, configuration: known.configuration };
  }
  return undefined;
}

/** The configuration in a run's records; `undefined` when another version of quantfleet, with other keys, wrote it. */
function parseStoredConfiguration({ configuration, directory }: NonNullable<EarlierRun["remembered"]>) {
  try {
    return validateConfiguration(configuration as RunConfigurationInput, { directory });
  } catch {
    return undefined;
  }
}

/** Translates an earlier run's choices into the space of a workload whose scopes include that run's. */
class EarlierChoices {
  readonly #known: ReadonlySet<string>;

  constructor(
    state: RunState,
    private readonly settings: QuantizationSettings,
    private readonly workload: Workload,
  ) {
    this.#known = new Set(workload.subject.space.parameters.map(({ name }) => name));
    this.#earlierNames = state.request.space.map(({ name }) => name);
  }

  readonly #earlierNames: readonly string[];

  /**
   * Translates a configuration of the earlier run.
   *
   * @returns `undefined` unless the translation quantizes every tensor as before and is in `space`
   */
  adopt(configuration: Configuration, space = this.workload.subject.space): Configuration | undefined {
    const { layout, hardware, settings, space: whole, tunedAlgorithms } = this.workload.subject;
    if (!this.#earlierNames.every((name) => this.#known.has(name))) return undefined;
    const defaults = { ...whole.defaults, ...fixedAlgorithmChoices(tunedAlgorithms, this.settings) };
    const adopted = adoptConfiguration(whole.parameters, defaults, configuration);
    if (adopted === undefined) return undefined;
    const before = planQuantization(layout, hardware, this.settings.options, configuration);
    const now = planQuantization(layout, hardware, settings.options, adopted);
    if (planKey(before) !== planKey(now)) return undefined;
    return adoptConfiguration(space.parameters, space.defaults, adopted);
  }
}

function planKey({ ops, activations, weights }: QuantizationPlan): string {
  return canonicalJson([[...ops], [...activations], [...weights]]);
}

function isaOf({ isa, request }: RunState): Pick<RunStart, "isa"> {
  const known = isa ?? request.isa;
  return known === undefined ? {} : { isa: known };
}

/** Why the earlier run's trials are not comparable with this run's; `undefined` when they are. */
function findDifference(state: RunState, request: RunRequest): string | undefined {
  const { request: earlier } = state;
  const { isa } = isaOf(state);
  if (isa !== request.isa) return `it was scored on ${isa}, and this run is scored on ${request.isa}`;
  if (earlier.measuredUnder !== request.measuredUnder)
    return "model, data, metric, session or algorithms are not the same";
  if (request.optimizer.measureLatency && !earlier.optimizer.measureLatency)
    return "it measured no latencies, which this objective needs";
  return undefined;
}

/**
 * The best earlier trial: by this run's objective when the trials are comparable, otherwise the one that the
 * earlier run chose.
 */
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
