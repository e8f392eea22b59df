import { createHash } from "node:crypto";
import { type StatisticsRequirement, statisticName } from "./requirement.js";

/**
 * Version of stored statistics, part of their key: raise it whenever the same requirement gives different
 * numbers, or records have another format.
 */
const STATISTICS_VERSION = 4;

/** Everything that collected activation statistics depend on; their cache key is its hash. */
export interface StatisticsContent {
  readonly modelSha256: string;
  /**
   * Algorithms that rewrote the float model before statistics were collected, in order
   * (`PreparedModel.rewritings`).
   */
  readonly rewritings: readonly string[];
  /** Hash of the preprocessed calibration samples. */
  readonly dataHash: string;
  /** Indices of the calibration samples that are used, in order. */
  readonly samples: readonly number[];
  readonly requirement: StatisticsRequirement;
  /** Version of the ONNX Runtime that runs the model. */
  readonly onnxruntime: string;
}

/** The content-addressed store key of statistics: equal content gives the same key. */
export function statisticsKey(content: StatisticsContent): string {
  const { requirement, ...plain } = content;
  const asked = [...requirement].map(([tensor, statistics]) => [tensor, statistics.map(statisticName)]);
  const document = JSON.stringify({ version: STATISTICS_VERSION, ...plain, asked });
  return `statistics/${createHash("sha256").update(document).digest("hex")}`;
}

/**
 * The store key of a result that is computed from stored statistics and depends on `content` besides; `kind`
 * names the computation.
 */
export function derivedKey(statisticsKey: string, kind: string, content: unknown): string {
  return `${statisticsKey}/${kind}/${createHash("sha256").update(JSON.stringify(content)).digest("hex")}`;
}
