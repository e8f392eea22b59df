import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { InferenceSession } from "onnxruntime-node";
import { RunError } from "../../basics/errors.js";
import { shardRange } from "../../basics/identifiers.js";
import { keptIn } from "../../basics/kept-in.js";
import { RecentlyUsed } from "../../basics/recently-used.js";
import { asInputError, BY_FLOAT } from "../../metrics/unscorable.js";
import { saturatingProducts } from "../../quantization/rewrite/portability.js";
import type { MeasuredOutcome } from "../../run/protocol/measured-outcome.js";
import type { TrialJob } from "../../run/protocol/messages.js";
import { scoresKey, scoresName } from "../../run/protocol/record-keys.js";
import { packRows } from "../../run/protocol/rows.js";
import type { ExclusiveGate } from "../../runtime/exclusive-gate.js";
import { type FastestSession, openFastestSession } from "../../runtime/fastest-session.js";
import { toFeeds } from "../../runtime/feeds.js";
import { compareLatencies, type LatencyRatio, timeInTurn } from "../../runtime/latency.js";
import { processorClass } from "../../runtime/processor-probe.js";
import { openSession } from "../../runtime/session.js";
import type { Configuration } from "../../search/space/space.js";
import { readStatistics } from "../../statistics/shard-store.js";
import type { StatisticsTable } from "../../statistics/table.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { fileBytes } from "../model/model-files.js";
import { keptVariants, type ModelVariant } from "../model/model-variants.js";
import { measureExactness } from "../quantizer/kernel-exactness.js";
import { openQuantizer } from "../quantizer/open-quantizer.js";
import type { QuantizedModel, Quantizer } from "../quantizer/quantizer.js";
import type { Workload } from "../workload/workload.js";
import { Scorer, type Scores } from "./scorer.js";
import { openRace, RowsInMemory } from "./trial-early-stopping.js";

export interface EvaluatorOptions {
  readonly workload: Workload;
  /**
   * Store of the run's records: early stopping reads the rows (per-sample scores) of earlier trials from it.
   */
  readonly store: ObjectStore;
  /**
   * Store of calibration statistics under hashes of what they depend on, shared by runs; and the number of
   * shards (parts) that they are gathered in.
   */
  readonly statistics: { readonly store: ObjectStore; readonly shards: number };
  /** Lock shared by the evaluators of one machine, so that the others pause while one measures latency. */
  readonly gate?: ExclusiveGate;
}

/**
 * Scores and quantizes models on one thread, a worker thread of this machine or of a Lambda function. Keeps what trials
 * share: statistics, quantized weights, the float sessions.
 */
export class Evaluator {
  /**
   * Quantizers by the name of their variant (the model with the algorithms that a configuration chooses);
   * each keeps the constants that it has quantized.
   */
  readonly #quantizers: RecentlyUsed<string, Promise<Quantizer>>;
  readonly #statistics = new Map<string, Promise<StatisticsTable>>();
  #fastestFloat: Promise<FastestSession> | undefined;
  readonly #scorers = new Map<string, Scorer>();
  readonly #scoredRows: RowsInMemory;

  constructor(private readonly options: EvaluatorOptions) {
    this.#scoredRows = new RowsInMemory(options.store);
    this.#quantizers = new RecentlyUsed(keptVariants(options.workload.subject));
  }

  /**
   * Quantizes the model as a trial's configuration says and scores it on one shard (part) of the evaluation
   * samples.
   */
  async scoreTrial(job: TrialJob, signal?: AbortSignal): Promise<MeasuredOutcome> {
    const { workload } = this.options;
    const started = performance.now();
    const candidate = job.configuration === null ? undefined : await this.quantize(job.configuration);
    const quantized = performance.now();
    const session = await this.#openCandidate(candidate);
    const opened = performance.now();
    try {
      const bytes = this.#bytesOf(candidate);
      const race = job.race && (await openRace(job.race, this.#scoredRows, workload, bytes));
      const scores = await this.#scorer(job.shard)
        .score(session, signal, race?.isDecided)
        .catch((cause: unknown) => {
          throw candidate === undefined ? asInputError(cause, BY_FLOAT) : cause;
        });
      const pruned = scores.samples < this.#scorer(job.shard).samples;
      const latency =
        job.measureLatency && !pruned && candidate !== undefined
          ? await this.#latency(candidate, session)
          : undefined;
      const saturation = job.shard.index === 0 && candidate ? await this.#saturation(candidate) : undefined;
      const rows = packRows(scores.rows, workload.metric.rowWidth);
      // Early stopping compares later trials with this one: this worker then need not read its rows from the
      // store.
      if (!pruned)
        this.#scoredRows.keep(
          scoresKey(job.runId, job.trial, job.shard.index, scoresName(rows)),
          scores.rows,
        );
      return {
        state: pruned ? "pruned" : "complete",
        rows,
        samples: scores.samples,
        bytes,
        quantizedShare: candidate?.quantizedShare ?? { byCount: 0, byParameters: 0 },
        ...(candidate === undefined || candidate.simulatedShare.byCount === 0
          ? {}
          : { simulatedShare: candidate.simulatedShare }),
        ...(saturation === undefined ? {} : { saturation }),
        ...(pruned && race !== undefined ? { reachable: race.reachable(scores.rows) } : {}),
        ...(latency === undefined ? {} : { latency: { ratio: latency.ratio, noise: latency.noise } }),
        timings: {
          quantize: (quantized - started) / 1000,
          session: (opened - quantized) / 1000,
          inference: scores.inferenceSeconds,
          total: (performance.now() - started) / 1000,
        },
      };
    } finally {
      await session.release();
    }
  }

  /**
   * Returns the speed-up of each candidate: the latency of the float model at its fastest optimization level
   * divided by the candidate's. All are timed in turn while the other evaluators pause.
   */
  async latencies(candidates: readonly QuantizedModel[]): Promise<readonly LatencyRatio[]> {
    const { nthreads } = this.options.workload.configuration.optimizer.params.benchmark;
    const sessions: InferenceSession[] = [];
    try {
      for (const candidate of candidates) sessions.push(await this.#openCandidate(candidate, nthreads));
      return await this.#compareWithFloat(sessions);
    } finally {
      for (const session of sessions) await session.release();
    }
  }

  /** The optimization level at which the float model is fastest here, once a latency has been measured. */
  async floatLevel(): Promise<FastestSession["graphOptimizationLevel"] | undefined> {
    return (await this.#fastestFloat)?.graphOptimizationLevel;
  }

  /**
   * Scores a model on the validation samples, which no decision of the search uses; `undefined` where there are
   * none.
   */
  async validate(candidate: QuantizedModel | undefined): Promise<Scores | undefined> {
    const { workload } = this.options;
    if (workload.validation === undefined) return undefined;
    const session = await this.#openCandidate(candidate);
    try {
      const order = Array.from({ length: workload.validation.samples }, (_, i) => i);
      return await this.#makeScorer(workload.validation, order).score(session);
    } finally {
      await session.release();
    }
  }

  /** Quantizes the model as a configuration says; the statistics must have been gathered. */
  async quantize(configuration: Configuration): Promise<QuantizedModel> {
    return (await this.#quantizer(configuration)).quantize(configuration);
  }

  async release(): Promise<void> {
    for (const scorer of this.#scorers.values()) await scorer.release();
    await (await this.#fastestFloat)?.session.release();
  }

  async #quantizer(configuration: Configuration): Promise<Quantizer> {
    const variant = await this.options.workload.variants.of(configuration);
    return keptIn(this.#quantizers, variant.name, () => this.#makeQuantizer(variant));
  }

  async #makeQuantizer({ subject, statisticsKey }: ModelVariant): Promise<Quantizer> {
    const { workload, statistics } = this.options;
    const { calibrationBatches: batches } = workload;
    const table = keptIn(this.#statistics, statisticsKey, () => this.#readStatistics(statisticsKey));
    const calibration = { subject, batches, statisticsKey, store: statistics.store };
    return openQuantizer(calibration, await table);
  }

  async #readStatistics(key: string): Promise<StatisticsTable> {
    const { store, shards } = this.options.statistics;
    const table = await readStatistics(store, key, shards);
    if (table === undefined) {
      throw new RunError(`The statistics ${key} are missing; resume the run to gather them again.`);
    }
    return table;
  }

  #firstBatch() {
    return this.options.workload.calibrationBatches.batch(0);
  }

  /**
   * Total size in bytes of the files that the finish would write for a model, without the metadata that it
   * adds: metadata name the run, so that equal models of two runs would differ in size.
   */
  #bytesOf(candidate: QuantizedModel | undefined): number {
    const { prepared } = this.options.workload.subject;
    return candidate === undefined ? prepared.bytes : fileBytes(candidate.model, prepared.external);
  }

  /**
   * Signal-to-noise ratio in decibels of the model as it is scored against exact arithmetic: what saturation
   * costs, apart from what quantization costs. `undefined` where no product can saturate, or this processor
   * is not of the target's class.
   */
  async #saturation({ model, plan }: QuantizedModel): Promise<number | undefined> {
    const { subject, calibrationBatches, session } = this.options.workload;
    const machine = await processorClass();
    if (subject.hardware.processor !== machine) return undefined;
    if (saturatingProducts(subject.layout, plan, machine).length === 0) return undefined;
    return (await measureExactness(model, calibrationBatches, session)).decibels;
  }

  #openCandidate(
    candidate: QuantizedModel | undefined,
    intraOpNumThreads = this.options.workload.configuration.engine.session.intraOpNumThreads,
  ): Promise<InferenceSession> {
    const { workload } = this.options;
    return openSession(candidate?.model ?? workload.modelPath, { ...workload.session, intraOpNumThreads });
  }

  /**
   * The float model's latency divided by the candidate's.
   * @param scored the session that the candidate was scored in, used unless the benchmark has another number of threads
   */
  async #latency(candidate: QuantizedModel, scored: InferenceSession): Promise<LatencyRatio> {
    const { engine, optimizer } = this.options.workload.configuration;
    const { nthreads } = optimizer.params.benchmark;
    const isScoredAlike = (nthreads ?? engine.session.intraOpNumThreads) === engine.session.intraOpNumThreads;
    const [latency] = isScoredAlike
      ? await this.#compareWithFloat([scored])
      : await this.latencies([candidate]);
    return latency!;
  }

  /**
   * Times the fastest session of the float model (found once) and the candidates' sessions in turn while the
   * other evaluators pause. Returns how many times faster than the float model each candidate is.
   */
  async #compareWithFloat(candidates: readonly InferenceSession[]): Promise<readonly LatencyRatio[]> {
    const { workload, gate } = this.options;
    const { engine, optimizer } = workload.configuration;
    const { session } = engine;
    const { nthreads, duration_seconds } = optimizer.params.benchmark;
    const feeds = toFeeds(await this.#firstBatch());
    const measure = async (): Promise<readonly LatencyRatio[]> => {
      this.#fastestFloat ??= openFastestSession(
        workload.modelPath,
        { ...session, intraOpNumThreads: nthreads ?? session.intraOpNumThreads },
        feeds,
      );
      const { session: float } = await this.#fastestFloat;
      const [reference, ...others] = await timeInTurn([float, ...candidates], feeds, {
        seconds: duration_seconds === undefined ? undefined : duration_seconds * candidates.length,
      });
      return others.map((samples) => compareLatencies(reference!, samples));
    };
    return gate === undefined ? measure() : gate.exclusively(measure);
  }

  #scorer(shard: TrialJob["shard"]): Scorer {
    return keptIn(this.#scorers, `${shard.index}/${shard.count}`, () => {
      const { evaluation, order } = this.options.workload;
      const { start, end } = shardRange(shard, order.length);
      return this.#makeScorer(evaluation, order.slice(start, end));
    });
  }

  #makeScorer(dataset: Workload["evaluation"], order: readonly number[]): Scorer {
    const { workload, gate } = this.options;
    return new Scorer({
      dataset,
      metric: workload.metric,
      batchSize: workload.batchSize,
      order,
      openFloat: () => openSession(workload.modelPath, workload.session),
      ...(gate === undefined ? {} : { gate }),
    });
  }
}

/** SHA-256 of the bytes in hexadecimal. */
export function contentHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
