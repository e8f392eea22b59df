import type { ProcessorClass } from "../../runtime/processor-class.js";
import type { RunWarning } from "../../validation/warnings.js";
import type { MeasuredOutcome } from "../protocol/measured-outcome.js";
import type { RunRequest } from "../protocol/request.js";
import type { FloatOp } from "./float-ops.js";
import type { Selection } from "./selection.js";
import type { Importance, TriedGroup } from "./tried-choices.js";

/** A metric's value with its 95 % confidence interval. */
export interface MetricResult {
  readonly name: string;
  readonly value: number;
  readonly samples: number;
  readonly interval: readonly [number, number];
}

export interface IntegerKernelCount {
  readonly quantized: number;
  readonly integer: number;
  readonly unfused: readonly { readonly name: string; readonly type: string; readonly reason: string }[];
}

export interface ModelResult {
  readonly trial: number;
  readonly metric: MetricResult;
  /** Percent of accuracy lost relative to the float model. */
  readonly accuracyLoss: number;
  readonly latencyRatio: number | null;
  readonly latencyNoise: number | null;
  readonly latencyMs: number | null;
  /** Total size of the model's files. */
  readonly bytes: number;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"];
  /**
   * Share of ops that are quantized without an integer kernel: simulated by QuantizeLinear and
   * DequantizeLinear, they reduce size but not latency.
   */
  readonly simulatedShare: MeasuredOutcome["quantizedShare"];
  readonly integerKernels: IntegerKernelCount | null;
  /** Whether the model computes the same integers on all processor classes. */
  readonly portable: boolean | null;
  /** Processor classes on which no integer product of the model can saturate. */
  readonly exactOn: readonly ProcessorClass[] | null;
  /**
   * Difference between ONNX Runtime's kernels and exact arithmetic on calibration samples, as signal-to-noise
   * ratios.
   */
  readonly exactness: KernelExactness | null;
  readonly loss: number;
  /** Whether the accuracy bound is met; `meetsTarget` says whether the required speed-up is met too. */
  readonly withinBound: boolean;
  readonly meetsTarget: boolean;
  readonly validation: MetricResult | null;
}

/**
 * Signal-to-noise ratios in decibels of a model run by ONNX Runtime's kernels against exact arithmetic: of
 * its outputs (200 where they are equal), and of the products (Conv, MatMul, Gemm) that differ by more than
 * rounding.
 */
export interface KernelExactness {
  readonly decibels: number;
  readonly batches: number;
  readonly products: readonly { readonly name: string; readonly type: string; readonly decibels: number }[];
}

/** A trial whose model could not be scored, and the reason. */
export interface MissingModel {
  readonly trial: number;
  readonly reason: string;
}

/** Explanation of the result from the run's trials. */
export interface Explanation {
  /** The parameters with an effect on the objective or on accuracy, most important first. */
  readonly importance: Importance;
  /**
   * Choices tried per quantizer group (tensors that share a quantizer choice), with the outcomes of their
   * trials.
   */
  readonly groups: readonly TriedGroup[];
  /** The ops that the best model leaves in float, with reasons. */
  readonly float: readonly FloatOp[];
}

/** The content of `result.json`. */
export interface RunResult {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly seed: number;
  readonly objective: RunRequest["optimizer"]["objective"];
  /**
   * Instruction set of the processor that computed the scores; `processor` is the processor class that has
   * it.
   */
  readonly isa: string;
  readonly processor: ProcessorClass | null;
  /** The target device; `CPU` means the processor class of the machine that scored. */
  readonly target: string;
  /** How scores were computed, if the target's processor class is not that of the scoring machine. */
  readonly scoring: string | null;
  readonly onnxruntime: string;
  readonly configurationHash: string;
  readonly model: { readonly sha256: string; readonly bytes: number };
  readonly session: {
    readonly graphOptimizationLevel: string;
    readonly intraOpNumThreads: number;
    /** Session configuration entries of ONNX Runtime. */
    readonly extra?: Readonly<Record<string, string>> | undefined;
  };
  readonly float: {
    readonly metric: MetricResult;
    readonly latencyMs: number | null;
    /**
     * The optimization level at which the float model is fastest; the latencies of quantized models are
     * compared with that.
     */
    readonly graphOptimizationLevel: string | null;
    readonly bytes: number;
    readonly validation: MetricResult | null;
  };
  readonly base: ModelResult | MissingModel | null;
  /**
   * The model that was written: a quantized trial, or trial 0, the float model, where none within the
   * accuracy bound beats it.
   */
  readonly best: ModelResult | null;
  /** Why the float model is the result, as a clause; `null` where a quantized model is. */
  readonly keepFloat: string | null;
  readonly pareto: readonly {
    readonly trial: number;
    readonly metric: MetricResult;
    readonly latencyRatio: number | null;
    readonly bytes: number;
  }[];
  readonly trials: {
    readonly asked: number;
    readonly complete: number;
    readonly pruned: number;
    readonly failed: number;
    readonly duplicates: number;
    /** Complete quantized trials that meet the accuracy bound. */
    readonly withinBound: number;
    /**
     * Evaluation samples scored by all trials after the base configuration; `samplesWithoutRace` is their
     * number without early stopping.
     */
    readonly samplesScored: number;
    readonly samplesWithoutRace: number;
  };
  /**
   * Selection bias: effect of selecting the best trial by the evaluation samples; `null` without validation
   * samples.
   */
  readonly selection: Selection | null;
  readonly explanation: Explanation;
  /** Problems of the finish that did not stop it, a sentence each. */
  readonly problems: readonly string[];
  readonly stop: string | null;
  /**
   * Warnings: settings without effect, probable mistakes and doubts about the result; each went to stderr
   * once.
   */
  readonly warnings: readonly RunWarning[];
  readonly timing: {
    readonly wallSeconds: number;
    readonly statisticsSeconds: number;
    readonly askSeconds: number;
    readonly quantizeSeconds: number;
    readonly sessionSeconds: number;
    readonly inferenceSeconds: number;
    readonly workers: number;
  };
  /** US dollars; absent where work is not billed. */
  readonly cost?: { readonly usd: number; readonly estimatedBeforehand: number | null };
}
