import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { InferenceSession } from "onnxruntime-node";
import { RunError } from "../../basics/errors.js";
import { shardRange } from "../../basics/identifiers.js";
import { RecentlyUsed } from "../../basics/recently-used.js";
import { asInputError, BY_FLOAT } from "../../metrics/unscorable.js";
import { saturatingProducts } from "../../quantization/rewrite/portability.js";
import type { MeasuredOutcome } from "../../run/protocol/measured-outcome.js";
import type { TrialJob } from "../../run/protocol/messages.js";
import { scoresKey, scoresName } from "../../run/protocol/record-keys.js";
import { packRows } from "../../run/protocol/rows.js";
import type { ExclusiveGate } from "../../runtime/exclusive-gate.js";
import { openFastestSession } from "../../runtime/fastest-session.js";
import { toFeeds } from "../../runtime/feeds.js";
import { type LatencyRatio, measureLatencyRatio } from "../../runtime/latency.js";
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
  /** The run's records: rows to race against. */
  readonly store: ObjectStore;
  /** Statistics by content, which outlive the run. */
  readonly statistics: { readonly store: ObjectStore; readonly shards: number };
  /** Shared by evaluators on one machine, so that one measures latency while the others hold still. */
  readonly gate?: ExclusiveGate;
}

/**
 * Carries out jobs on one thread: the same for worker threads and for Lambda. Keeps what trials share: statistics,
 * quantized weights, the float sessions.
 */
export class Evaluator {
  /** Each keeps the constants that it has quantized. */
  readonly #quantizers: RecentlyUsed<string, Promise<Quantizer>>;
  readonly #statistics = new Map<string, Promise<StatisticsTable>>();
  #fastestFloat: Promise<InferenceSession> | undefined;
  readonly #scorers = new Map<string, Scorer>();
  readonly #scoredRows: RowsInMemory;

  constructor(private readonly options: EvaluatorOptions) {
    this.#scoredRows = new RowsInMemory(options.store);
    this.#quantizers = new RecentlyUsed(keptVariants(options.workload.subject));
  }

  /** Quantizes and scores a trial's shard of the evaluation samples. */
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
      // Other trials race against this one; who scored it need not fetch what it has stored.
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
        timings: timings(started, quantized, opened, scores),
      };
    } finally {
      await session.release();
    }
  }

  /** Latency of the float model over a candidate's, measured while nobody else on this machine scores. */
  latency(candidate: QuantizedModel): Promise<LatencyRatio> {
    return this.#latency(candidate);
  }

  /** Scores a model on the validation samples, which no decision uses. */
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

  /** The model as a configuration quantizes it; the statistics must have been gathered. */
  async quantize(configuration: Configuration): Promise<QuantizedModel> {
    return (await this.#quantizer(configuration)).quantize(configuration);
  }

  async release(): Promise<void> {
    for (const scorer of this.#scorers.values()) await scorer.release();
    await (await this.#fastestFloat)?.release();
  }

  async #quantizer(configuration: Configuration): Promise<Quantizer> {
    const variant = await this.options.workload.variants.of(configuration);
    let quantizer = this.#quantizers.get(variant.name);
    if (quantizer === undefined) {
      quantizer = this.#makeQuantizer(variant);
      this.#quantizers.set(variant.name, quantizer);
    }
    return quantizer;
  }

  async #makeQuantizer({ subject, statisticsKey }: ModelVariant): Promise<Quantizer> {
    const { workload, statistics } = this.options;
    const { calibrationBatches: batches } = workload;
    let table = this.#statistics.get(statisticsKey);
    if (table === undefined) {
      table = this.#readStatistics(statisticsKey);
      this.#statistics.set(statisticsKey, table);
    }
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
   * Of the files that a finish would write, but for the metadata that it adds: the same for every trial of a run, it
   * differs between runs that are to judge a model alike.
   */
  #bytesOf(candidate: QuantizedModel | undefined): number {
    const { prepared } = this.options.workload.subject;
    return candidate === undefined ? prepared.bytes : fileBytes(candidate.model, prepared.external);
  }

  /**
   * Decibels between a model as it is scored and exact arithmetic, so that what saturation takes is told apart from what
   * quantization does; `undefined` where nothing can saturate here.
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

  /** Measures with as many threads as the benchmark asks for, which may be others than the candidate is scored with. */
  async #latency(candidate: QuantizedModel, scored?: InferenceSession): Promise<LatencyRatio> {
    const { engine, optimizer } = this.options.workload.configuration;
    const { nthreads } = optimizer.params.benchmark;
    if (
      scored !== undefined &&
      (nthreads ?? engine.session.intraOpNumThreads) === engine.session.intraOpNumThreads
    ) {
      return this.#compareWithFloat(scored);
    }
    const session = await this.#openCandidate(candidate, nthreads);
    try {
      return await this.#compareWithFloat(session);
    } finally {
      await session.release();
    }
  }

  /** While others hold still, the choice of the float model's fastest form included. */
  async #compareWithFloat(candidate: InferenceSession): Promise<LatencyRatio> {
    const { workload, gate } = this.options;
    const { engine, optimizer } = workload.configuration;
    const { session } = engine;
    const { nthreads, duration_seconds } = optimizer.params.benchmark;
    const feeds = toFeeds(await this.#firstBatch());
    const measure = async (): Promise<LatencyRatio> => {
      this.#fastestFloat ??= openFastestSession(
        workload.modelPath,
        { ...session, intraOpNumThreads: nthreads ?? session.intraOpNumThreads },
        feeds,
      );
      return measureLatencyRatio(await this.#fastestFloat, candidate, feeds, duration_seconds);
    };
    return gate === undefined ? measure() : gate.exclusively(measure);
  }

  #scorer(shard: TrialJob["shard"]): Scorer {
    const key = `${shard.index}/${shard.count}`;
    let scorer = this.#scorers.get(key);
    if (scorer === undefined) {
      const { evaluation, order } = this.options.workload;
      const { start, end } = shardRange(shard, order.length);
      scorer = this.#makeScorer(evaluation, order.slice(start, end));
      this.#scorers.set(key, scorer);
    }
    return scorer;
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

function timings(
  started: number,
  quantized: number,
  opened: number,
  scores: Scores,
): MeasuredOutcome["timings"] {
  return {
    quantize: (quantized - started) / 1000,
    session: (opened - quantized) / 1000,
    inference: scores.inferenceSeconds,
    total: (performance.now() - started) / 1000,
  };
}

/** The name of a model's content. */
export function contentHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
