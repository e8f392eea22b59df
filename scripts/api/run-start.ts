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
import { companionChoices } from "../../shared/evaluation/model/chosen-algorithms.js";
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

/** What a run begins with. */
export interface RunStart {
  readonly workload: Workload;
  /** The space that is searched and the configuration that it is searched from, trial 1. */
  readonly space: TuningSpace;
  /** Trials of an earlier run that are this run's first ones. */
  readonly restored: readonly TrialRecord[];
  /** What they were scored on. */
  readonly isa?: string;
  /** The configuration's when left out. */
  readonly maxTrials?: number;
  readonly lossReference?: LossReference;
  /** Sentences for the user: what it begins with, and what could not be done as asked for. */
  readonly notices: readonly string[];
}

/** Where earlier runs are looked for. */
export interface EarlierRuns {
  /** Oldest first. */
  readonly runs: readonly EarlierRun[];
  /** A clause that says that none of them can be begun with. */
  readonly nothing: string;
  /** What a user does who needs one. */
  readonly remedy: string;
}

export interface StartOptions {
  readonly configuration: ConfigurationFor<"tune">;
  readonly directory: string;
  readonly earlier: EarlierRuns;
  /** Opens the store where statistics are kept by content. */
  readonly openStatistics: () => Promise<ObjectStore>;
  /** The request that a workload makes, for the rules that an earlier run's trials are judged by. */
  readonly draft: (workload: Workload, earlier: RunState) => RunRequest;
}

/**
 * What a run begins with by its `trials_load_method` (reference, "What we do instead" and section 2.5), from the records
 * of the latest of the earlier runs that can be begun with.
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

/** The best configuration, without a trial where what it measured still holds. */
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

/** An earlier run as one with another configuration, on the same or another workload, sees it. */
interface Source {
  readonly state: RunState;
  readonly runId: string;
  readonly workload: Workload;
  readonly best: TrialRecord;
  /** The choices of the best in the space of both runs' scopes. */
  readonly center: Configuration;
  /** Why its trials cannot stand beside this run's; `undefined` where they can. */
  readonly difference: string | undefined;
  /** The space that this run's scopes leave around a configuration. */
  around(configuration: Configuration): TuningSpace;
  /** Its trials in the space around its base. */
  restore(): RestoredTrials & { readonly space: TuningSpace | undefined };
}

/** @returns `undefined` where its best configuration has no meaning here */
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
    narrowSpace(workload.subject.space, choices, own.options, own.tunedCompanions);
  const restore: Source["restore"] = () => {
    const base = earlier.adopt(state.request.base);
    const space = base && around(base);
    if (difference !== undefined || space === undefined) return { space, trials: [], setAside: 0 };
    return { space, ...restoreTrials(state, (choices) => earlier.adopt(choices, space)) };
  };
  return { state, runId: state.request.runId, workload, best, center, difference, around, restore };
}

/** What objective `loss` is scaled by: the fully quantized model, which is not the base of a run around a best one. */
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

/** The workload of a run that is gone on with: what it began with is in its records. */
export async function resumedWorkload(
  { state, remembered }: EarlierRun,
  openStatistics: StartOptions["openStatistics"],
): Promise<Workload> {
  const known = remembered && parseRemembered(remembered);
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

/** The latest run that has something to begin with, and the configuration that it was started with. */
function findSource(runs: readonly EarlierRun[]): Found | undefined {
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

  /** @returns `undefined` unless it quantizes every tensor as it did, and `space` holds it */
  adopt(configuration: Configuration, space = this.workload.subject.space): Configuration | undefined {
    const { layout, hardware, settings, space: whole, tunedCompanions } = this.workload.subject;
    if (!this.#earlierNames.every((name) => this.#known.has(name))) return undefined;
    const defaults = { ...whole.defaults, ...companionChoices(tunedCompanions, this.settings) };
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

/** Why trials of the earlier run cannot stand beside trials of this one. */
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
