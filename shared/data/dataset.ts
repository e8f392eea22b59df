import type { InputBatch } from "../runtime/input-batch.js";
import type { ModelPort, Samples } from "../runtime/tensor.js";
import type { LabelSlice } from "./labels.js";

/** Preprocessed inputs that are kept, all inputs of a dataset together; beyond it batches are converted anew. */
export const LARGEST_CACHE_BYTES = 1024 ** 3;

/** Samples that fit the model, ready to be fed to it. */
export interface Dataset {
  readonly samples: number;
  /** SHA-256 over the samples, their preprocessing and the labels, in hexadecimal. */
  readonly contentHash: string;
  /** The batch that the model's inputs prescribe, if they fix the axis that samples are stacked along. */
  readonly fixedBatch: number | undefined;
  /** Inputs of some samples, in the order asked for; a promise where images are decoded. */
  batch(samples: Samples): InputBatch | Promise<InputBatch>;
  /** Labels of the same samples, where the section has labels. */
  labels(samples: Samples): LabelSlice | undefined;
  /** How messages name some samples: section, file and row. */
  locate(samples: Samples): string;
  /** Those of some samples whose inputs go furthest, as a model may not take every number: positions and tokens. */
  extremes(among: readonly number[]): readonly number[];
  /** Names each sample by its content, so that samples of two sections can be told to be the same. */
  sampleKeys(): Promise<readonly string[]>;
  /**
   * Reads those of some samples that are not in memory yet.
   *
   * @throws DataError when one cannot be read
   */
  verify(samples: readonly number[]): Promise<void>;
}

export interface DatasetOptions {
  /** Where relative paths start. */
  readonly directory: string;
  /** The model's inputs, as `InferenceSession.inputMetadata` lists them. */
  readonly inputs: readonly ModelPort[];
  /** JSON path of the section, for messages, such as `engine.evaluation`. */
  readonly path: string;
  /** At most this many bytes of preprocessed inputs are kept; `LARGEST_CACHE_BYTES` when left out. */
  readonly cacheBytes?: number;
}
