import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { validateConfiguration } from "../../../../shared/configuration/parse.js";
import { requireSupported } from "../../../../shared/configuration/supported.js";
import { makeRunRequest } from "../../../../shared/evaluation/workload/run-request.js";
import { loadWorkload, type Workload } from "../../../../shared/evaluation/workload/workload.js";
import type { RunRequest } from "../../../../shared/run/protocol/request.js";
import type { RunState, TrialRecord } from "../../../../shared/run/protocol/state.js";
import { findReferences, type Judgement, type Study } from "../../../../shared/run/protocol/study.js";
import { tuningStudy } from "../../../../shared/run/protocol/tuning-study.js";
import { createGreedyLayerSampler } from "../../../../shared/search/samplers/greedy-layer-sampler.js";
import { createRandomSampler } from "../../../../shared/search/samplers/random-sampler.js";
import { FileObjectStore } from "../../../../shared/storage/file-store.js";
import { openStatistics } from "../../../api/statistics-folder.js";
import { startEngine } from "../../../local/engine.js";
import type { BenchModel } from "../tuning/models.js";
import { RecordedEvaluations } from "./recorded-evaluations.js";

export const SAMPLERS = ["tpe", "reversal", "random"] as const;
export type SamplerName = (typeof SAMPLERS)[number];

export interface SearchOptions {
  readonly sampler: SamplerName;
  readonly seed: number;
  readonly trials: number;
  readonly race: boolean;
}

/** A finished trial with its values under the objective; none for a failed trial. */
export interface SearchedTrial {
  readonly record: TrialRecord;
  readonly judgement: Judgement | undefined;
}

/**
 * Searches of one model by different samplers, each with the product's engine, reducer and objective. Trials
 * run one at a time, so that a search is reproducible, and scores are shared between searches.
 */
export class ModelSearches {
  #runs = 0;

  private constructor(
    readonly workload: Workload,
    private readonly folder: string,
    private readonly evaluations: RecordedEvaluations,
  ) {}

  /**
   * @param scratch temporary folder of the runs' records
   * @param records file in which scores are kept for later processes; none when left out
   */
  static async open(model: BenchModel, scratch: string, records?: string): Promise<ModelSearches> {
    const { configuration, directory } = validateConfiguration(model.configuration, {
      directory: model.directory,
    });
    requireSupported(configuration, "tune");
    const workload = await loadWorkload(configuration, directory, openStatistics);
    const folder = join(scratch, model.name);
    if (records !== undefined) mkdirSync(records, { recursive: true });
    const evaluations = new RecordedEvaluations(
      workload,
      { records: await FileObjectStore.open(folder), statistics: await openStatistics() },
      records === undefined ? undefined : join(records, `${model.name}.jsonl`),
    );
    return new ModelSearches(workload, folder, evaluations);
  }

  /**
   * Runs a search and returns its finished trials by number; trial 0 is the float model, trial 1 the base (preset
   * configuration).
   */
  async search(options: SearchOptions): Promise<SearchedTrial[]> {
    const study = studyOf(this.workload, options);
    const request = this.#request(options);
    const engine = startEngine({ folder: this.folder, study, run: { request }, runner: this.evaluations });
    return judged(study, request, await engine.ended);
  }

  /** The scores per sample of a complete trial of this model. */
  rowsOf({ configuration }: TrialRecord): Float32Array {
    return this.evaluations.rowsOf(configuration);
  }

  close(): Promise<void> {
    return this.evaluations.release();
  }

  #request({ seed, trials, race }: SearchOptions): RunRequest {
    const day = 86_400_000;
    const request = makeRunRequest(this.workload, {
      runId: `bench-${++this.#runs}`,
      requestedAt: Date.now(),
      parallel: 1,
      statistics: { shards: 1 },
      evaluationShards: 1,
      timeouts: { statistics: day, trial: day, finish: day },
    });
    const { optimizer } = request;
    // Without measured latencies the outcome does not depend on the machine.
    return {
      ...request,
      seed,
      optimizer: { ...optimizer, minimize: "size", measureLatency: false, maxTrials: trials, race },
    };
  }
}

function studyOf({ metric }: Workload, { sampler }: SearchOptions): Study {
  const study = tuningStudy(metric);
  switch (sampler) {
    case "tpe":
      return study;
    case "reversal":
      return {
        ...study,
        createSampler: ({ space, seed, base }, sensitivity) =>
          createGreedyLayerSampler(space, {
            seed,
            base,
            ...(sensitivity === undefined ? {} : { sensitivity }),
          }),
      };
    case "random":
      return { ...study, createSampler: ({ space, seed }) => createRandomSampler(space, { seed }) };
  }
}

function judged(study: Study, request: RunRequest, state: RunState): SearchedTrial[] {
  const references = findReferences(state);
  if (state.phase !== "done" || references === undefined)
    throw new Error(`a search ended without references: ${state.failure}`);
  return state.finished.map((record) => ({
    record,
    judgement: record.state === "failed" ? undefined : study.judge(record.measurement, references, request),
  }));
}
