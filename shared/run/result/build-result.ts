import type { Metric } from "../../metrics/metric.js";
import type { Hardware } from "../../quantization/device/hardware.js";
import { scoringNote } from "../../quantization/device/scoring-session.js";
import type { QuantizerLayout } from "../../quantization/graph/groups.js";
import { withoutUnbounded } from "../../quantization/rewrite/bounded-plan.js";
import { isPortable } from "../../quantization/rewrite/portability.js";
import type { QuantizationPlan } from "../../quantization/space/plan.js";
import { processorClassOf } from "../../runtime/processor-class.js";
import { paretoFront } from "../../search/numerics/pareto.js";
import type { Configuration } from "../../search/space/space.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { FinishedCandidate, FinishSummary } from "../protocol/finish-summary.js";
import { rowsKey } from "../protocol/record-keys.js";
import { concatenateRows, unpackRows } from "../protocol/rows.js";
import type { MeasuredTrial, RunState } from "../protocol/state.js";
import {
  BASE_TRIAL,
  FLOAT_TRIAL,
  findReferences,
  judgeTrial,
  type References,
  type Study,
} from "../protocol/study.js";
import { DamagedRecordError } from "../store/damaged-record.js";
import { readRows } from "../store/read-rows.js";
import { differBeyondNoise } from "./accuracy-difference.js";
import { explainFloatOps } from "./float-ops.js";
import { outcomeWarnings } from "./outcome-warnings.js";
import type { Explanation, IntegerKernelCount, MetricResult, ModelResult, RunResult } from "./result.js";
import { describeSelection } from "./selection.js";
import { countDuplicates } from "./trial-lines.js";
import { describeTried, rankParameters } from "./tried-choices.js";

export interface ResultSources {
  readonly state: RunState;
  readonly study: Study;
  readonly metric: Metric;
  readonly store: ObjectStore;
  readonly summary: FinishSummary;
  readonly layout: QuantizerLayout;
  readonly hardware: Pick<Hardware, "device" | "processor">;
  /** The quantization plan of a configuration: which tensors and ops are quantized, and how. */
  readonly plan: (configuration: Configuration) => QuantizationPlan;
  readonly model: RunResult["model"];
  readonly session: RunResult["session"];
  readonly onnxruntime: string;
  readonly configurationHash: string;
  readonly askSeconds: number;
  readonly workers: number;
}

/** Builds a run's result from its records. */
export async function buildResult(sources: ResultSources): Promise<RunResult> {
  const { state, summary } = sources;
  const { request } = state;
  const measured = state.finished.filter((trial) => trial.state !== "failed");
  const trial = (number: number) => measured.find((candidate) => candidate.number === number);
  const float = trial(FLOAT_TRIAL);
  const references = findReferences(state);
  if (float === undefined || references === undefined) {
    throw new Error("A result needs the float model's scores, and the run ended without them.");
  }
  const result = async (number: number | undefined, finished: FinishedCandidate | undefined) => {
    const found = number === undefined ? undefined : trial(number);
    return found === undefined ? null : modelResult(sources, references, found, finished);
  };
  const [first] = summary.candidates;
  const isa = state.isa ?? request.isa ?? "unknown";
  const processor = processorClassOf(isa) ?? null;
  const base = state.finished.find(({ number }) => number === BASE_TRIAL);
  // Size of the metadata that the finish adds to every model.
  const measuredBytes = first && trial(first.trial)?.measurement.bytes;
  const added = first === undefined || measuredBytes === undefined ? 0 : first.modelBytes - measuredBytes;
  const timed = [summary.base, ...summary.candidates].find((candidate) => candidate?.latency !== undefined);
  const complete = measured.filter(({ number, state: s }) => number !== FLOAT_TRIAL && s === "complete");
  const accuracyDiffers = await testAccuracyDifference(sources, complete);
  const outcome: Omit<RunResult, "warnings"> = {
    schemaVersion: 1,
    runId: request.runId,
    seed: request.seed,
    objective: request.optimizer.objective,
    isa,
    processor,
    target: sources.hardware.device,
    scoring:
      processor === null
        ? null
        : (scoringNote(sources.hardware, processor, summary.candidates[0]?.exactOn) ?? null),
    onnxruntime: sources.onnxruntime,
    configurationHash: sources.configurationHash,
    model: sources.model,
    session: sources.session,
    float: {
      metric: await metricResult(sources, float),
      latencyMs: timed?.latency?.referenceMs ?? null,
      graphOptimizationLevel: summary.floatLevel ?? null,
      bytes: float.measurement.bytes,
      validation: scored(sources.metric.name, summary.floatValidation),
    },
    base:
      base?.state === "failed"
        ? { trial: BASE_TRIAL, reason: base.reason }
        : await result(BASE_TRIAL, summary.base),
    best:
      summary.keepFloat === undefined ? await result(first?.trial, first) : await floatResult(sources, float),
    keepFloat: summary.keepFloat ?? null,
    pareto: await Promise.all(
      frontOf(sources, complete).map(async (point) => ({
        trial: point.number,
        metric: await metricResult(sources, point),
        latencyRatio: point.measurement.latency?.ratio ?? null,
        bytes: point.measurement.bytes + added,
      })),
    ),
    trials: counts(sources, references, measured),
    selection: describeSelection(
      sources.metric,
      float.measurement,
      summary,
      (number) => trial(number)?.measurement,
    ),
    explanation: explain(sources, references, first, accuracyDiffers),
    problems: summary.problems,
    stop: state.stop ?? null,
    timing: {
      wallSeconds: (state.lastAt - state.startedAt - state.pausedMilliseconds) / 1000,
      statisticsSeconds: sum(state.statistics.map((s) => (s.state === "done" ? s.result.seconds : 0))),
      askSeconds: sources.askSeconds,
      quantizeSeconds: sum(measured.map(({ timings }) => timings.quantize)),
      sessionSeconds: sum(measured.map(({ timings }) => timings.session)),
      inferenceSeconds: sum(measured.map(({ timings }) => timings.inference)),
      workers: sources.workers,
    },
    ...(request.cost === undefined
      ? {}
      : { cost: { usd: state.spend.usd, estimatedBeforehand: request.cost.estimatedUsd ?? null } }),
  };
  const isTooFew = complete.length < MIN_COMPARED_TRIALS;
  return {
    ...outcome,
    warnings: [
      ...(request.warnings ?? []),
      ...outcomeWarnings(outcome, request.optimizer, accuracyDiffers || isTooFew),
    ],
  };
}

/** Minimum number of complete trials for a warning that accuracy did not differ between trials. */
const MIN_COMPARED_TRIALS = 4;

function explain(
  sources: ResultSources,
  references: References,
  finished: FinishedCandidate | undefined,
  accuracyDiffers: boolean,
): Explanation {
  const { state, study, layout, plan } = sources;
  const { request } = state;
  const trials = state.finished.flatMap((record) =>
    record.configuration === null ? [] : (judgeTrial(study, request, references, record) ?? []),
  );
  const importance = rankParameters(request.space, trials, accuracyDiffers);
  const unbounded = finished?.unbounded ?? {};
  const best = trials.find(({ number }) => number === finished?.trial);
  return {
    importance,
    groups: describeTried(request.space, trials),
    float:
      best === undefined
        ? []
        : explainFloatOps({
            layout,
            plan: plan(withoutUnbounded(best.configuration, unbounded)),
            best: best.configuration,
            bestLoss: best.accuracyLoss ?? 0,
            unbounded,
            trials,
            importance,
          }),
  };
}

async function modelResult(
  sources: ResultSources,
  references: References,
  trial: MeasuredTrial,
  finished: FinishedCandidate | undefined,
): Promise<ModelResult> {
  const { metric, study, state } = sources;
  const { measurement } = trial;
  const { values, withinBound, meetsTarget } = study.judge(measurement, references, state.request);
  const kernels: IntegerKernelCount | null = finished?.integerKernels ?? null;
  return {
    trial: trial.number,
    metric: await metricResult(sources, trial),
    accuracyLoss: 100 * metric.loss(references.float.metric, measurement.metric),
    // The finish times all finalists in turn and decides by these latencies, so they take precedence over the
    // trial's own.
    latencyRatio: finished?.latency?.ratio ?? measurement.latency?.ratio ?? null,
    latencyNoise: finished?.latency?.noise ?? measurement.latency?.noise ?? null,
    latencyMs: finished?.latency?.candidateMs ?? null,
    bytes: finished?.modelBytes ?? measurement.bytes,
    quantizedShare: measurement.quantizedShare,
    simulatedShare: measurement.simulatedShare ?? { byCount: 0, byParameters: 0 },
    integerKernels: kernels,
    portable: finished?.exactOn === undefined ? null : isPortable(finished.exactOn),
    exactOn: finished?.exactOn ?? null,
    exactness: finished?.exactness ?? null,
    loss: values[0] ?? 0,
    withinBound,
    meetsTarget,
    validation: scored(metric.name, finished?.validation),
  };
}

/** The entry of the float model where it is the result. */
async function floatResult(sources: ResultSources, float: MeasuredTrial): Promise<ModelResult> {
  const { metric, summary, state } = sources;
  const none = { byCount: 0, byParameters: 0 };
  const { latencyReduce, measureLatency } = state.request.optimizer;
  return {
    trial: FLOAT_TRIAL,
    metric: await metricResult(sources, float),
    accuracyLoss: 0,
    latencyRatio: 1,
    latencyNoise: 0,
    latencyMs: null,
    bytes: float.measurement.bytes,
    quantizedShare: none,
    simulatedShare: none,
    integerKernels: null,
    portable: null,
    exactOn: null,
    exactness: null,
    loss: 1,
    withinBound: true,
    meetsTarget: !measureLatency || latencyReduce <= 1,
    validation: scored(metric.name, summary.floatValidation),
  };
}

function scored(name: string, score: FinishSummary["floatValidation"]): MetricResult | null {
  return score === undefined ? null : { name, ...score };
}

async function metricResult(sources: ResultSources, trial: MeasuredTrial): Promise<MetricResult> {
  const { metric } = sources;
  const [low, high] = metric.interval(await scoresOf(sources, trial));
  const { metric: value, samples } = trial.measurement;
  return { name: metric.name, value, samples, interval: [low, high] };
}

/** Whether the most and the least accurate complete trial differ significantly. */
async function testAccuracyDifference(
  sources: ResultSources,
  trials: readonly MeasuredTrial[],
): Promise<boolean> {
  const sorted = trials.toSorted((a, b) => a.measurement.metric - b.measurement.metric);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return false;
  const [low, high] = [await scoresOf(sources, first), await scoresOf(sources, last)];
  return differBeyondNoise(sources.metric, high, low, trials.length);
}

/** The rows (per-sample scores) of all shards of a trial. */
async function scoresOf({ store, state }: ResultSources, trial: MeasuredTrial): Promise<Float32Array> {
  const shards: Float32Array[] = [];
  for (const [shard, name] of trial.scores.entries()) {
    const key = rowsKey(state.request.runId, trial, shard, name);
    const rows = await readRows(store, key);
    if (rows === undefined) throw new DamagedRecordError(key, "is missing");
    shards.push(unpackRows(rows));
  }
  return concatenateRows(shards);
}

/**
 * The Pareto front of trials in accuracy and in what is minimized: size if it is minimized or latency was not
 * measured, otherwise latency.
 */
function frontOf({ metric, state }: ResultSources, trials: readonly MeasuredTrial[]): MeasuredTrial[] {
  const bySize = state.request.optimizer.minimize === "size";
  const points = trials.map(({ measurement: { metric: value, latency, bytes } }) => [
    metric.direction === "maximize" ? -value : value,
    bySize || latency === undefined ? bytes : 1 / latency.ratio,
  ]);
  return paretoFront(points).map((i) => trials[i]!);
}

function counts(
  { state, study }: ResultSources,
  references: References,
  measured: readonly MeasuredTrial[],
): RunResult["trials"] {
  const searched = measured.filter(({ number }) => number > BASE_TRIAL);
  // The float model is the reference and not counted as a trial.
  const of = (s: string): number =>
    state.finished.filter((trial) => trial.number !== FLOAT_TRIAL && trial.state === s).length;
  return {
    asked: Math.max(0, state.asked - 1),
    complete: of("complete"),
    pruned: of("pruned"),
    failed: of("failed"),
    duplicates: countDuplicates(state),
    withinBound: measured.filter(
      ({ number, state: s, measurement }) =>
        number !== FLOAT_TRIAL &&
        s === "complete" &&
        study.judge(measurement, references, state.request).withinBound,
    ).length,
    samplesScored: sum(searched.map(({ measurement }) => measurement.samples)),
    samplesWithoutRace: searched.length * state.request.evaluation.samples,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
