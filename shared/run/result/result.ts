import type { ProcessorClass } from "../../runtime/processor-class.js";
import type { RunWarning } from "../../validation/warnings.js";
import type { MeasuredOutcome } from "../protocol/measured-outcome.js";
import type { RunRequest } from "../protocol/request.js";
import type { FloatOp } from "./float-ops.js";
import type { Selection } from "./selection.js";
import type { Importance, TriedGroup } from "./tried-choices.js";

/** A metric's value with its 95 % interval. */
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
  /** Percent, relative to the float model. */
  readonly accuracyLoss: number;
  readonly latencyRatio: number | null;
  readonly latencyNoise: number | null;
  readonly latencyMs: number | null;
  /** Of the model's files. */
  readonly bytes: number;
  readonly quantizedShare: MeasuredOutcome["quantizedShare"];
  /** The part of it that has no integer kernel: simulated in QDQ, it buys size, not speed. */
  readonly simulatedShare: MeasuredOutcome["quantizedShare"];
  readonly integerKernels: IntegerKernelCount | null;
  /** Whether it computes the same integers on every class of processors: on all of `exactOn`, where nothing saturates. */
  readonly portable: boolean | null;
  readonly exactOn: readonly ProcessorClass[] | null;
  /** How far ONNX Runtime's kernels are from computing it exactly, on calibration samples. */
  readonly exactness: KernelExactness | null;
  readonly loss: number;
  /** Whether the accuracy bound is met, and whether the asked-for speed-up is as well. */
  readonly withinBound: boolean;
  readonly meetsTarget: boolean;
  readonly validation: MetricResult | null;
}

/** Decibels of the outputs, 200 where they are equal, and of the products that differ by more than rounding. */
export interface KernelExactness {
  readonly decibels: number;
  readonly batches: number;
  readonly products: readonly { readonly name: string; readonly type: string; readonly decibels: number }[];
}

/** A trial that has no model, and why. */
export interface MissingModel {
  readonly trial: number;
  readonly reason: string;
}

/** Why the result is what it is, by the trials of the run. */
export interface Explanation {
  /** Which parameters mattered, the most important first. */
  readonly importance: Importance;
  /** What was tried for each quantizer group. */
  readonly groups: readonly TriedGroup[];
  /** The ops that the best model leaves in float, and why. */
  readonly float: readonly FloatOp[];
}

/** `result.json` (interface.md, "Output folder"). */
export interface RunResult {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly seed: number;
  readonly objective: RunRequest["optimizer"]["objective"];
  /** The instruction set that computed the scores, and the class of processors that has it. */
  readonly isa: string;
  readonly processor: ProcessorClass | null;
  /** The device that the model is for: CPU by the class of the machine that scored. */
  readonly target: string;
  /** How the scores came about, where the target is another class than that of the machine. */
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
    readonly bytes: number;
    readonly validation: MetricResult | null;
  };
  readonly base: ModelResult | MissingModel | null;
  readonly best: ModelResult | null;
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
    /** Evaluation samples that trials scored, and those that scoring every trial to its end would have taken. */
    readonly samplesScored: number;
    readonly samplesWithoutRace: number;
  };
  /** What choosing by the evaluation samples cost; `null` without validation samples. */
  readonly selection: Selection | null;
  readonly explanation: Explanation;
  /** What could not be done when the run was finished, a sentence each. */
  readonly problems: readonly string[];
  readonly stop: string | null;
  /** What has no effect, may not be meant, or makes the result doubtful; each of them went to stderr once. */
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
  /** US dollars; where work is billed. */
  readonly cost?: { readonly usd: number; readonly estimatedBeforehand: number | null };
}
