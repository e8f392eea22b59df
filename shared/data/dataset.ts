import type { InputBatch } from "../runtime/input-batch.js";
import type { ModelPort, Samples } from "../runtime/tensor.js";
import type { LabelSlice } from "./labels.js";

/** Default limit in bytes on cached preprocessed inputs, for all inputs of a dataset together. */
export const LARGEST_CACHE_BYTES = 1024 ** 3;

/** A set of samples that fit the model's inputs, with their labels. */
export interface Dataset {
  readonly samples: number;
  /** SHA-256 of the samples, their preprocessing and the labels, in hexadecimal. */
  readonly contentHash: string;
  /** The batch size that the model's inputs fix; `undefined` when the sample axis is dynamic. */
  readonly fixedBatch: number | undefined;
  /** Inputs of the given samples, in that order; a promise where images are decoded. */
  batch(samples: Samples): InputBatch | Promise<InputBatch>;
  /** Labels of the given samples, where the section has labels. */
  labels(samples: Samples): LabelSlice | undefined;
  /** The place of the given samples for messages: section, file and row. */
  locate(samples: Samples): string;
  /**
   * Those of the given samples that hold the smallest or largest input values, on which a model fails first
   * if its inputs (such as tokens) are limited.
   */
  extremes(among: readonly number[]): readonly number[];
  /** A key per sample made from its content, to detect that the same sample is in two data sections. */
  sampleKeys(): Promise<readonly string[]>;
  /**
   * Checks that the given samples are readable, by reading those that are not in memory yet.
   *
   * @throws {DataError} when one cannot be read
   */
  verify(samples: readonly number[]): Promise<void>;
}

export interface DatasetOptions {
  /** Folder that relative paths in the section start from. */
  readonly directory: string;
  /** The model's inputs, as in `InferenceSession.inputMetadata`. */
  readonly inputs: readonly ModelPort[];
  /** JSON path of the section for messages, such as `engine.evaluation`. */
  readonly path: string;
  /** Limit in bytes on cached preprocessed inputs; `LARGEST_CACHE_BYTES` when omitted. */
  readonly cacheBytes?: number;
}
