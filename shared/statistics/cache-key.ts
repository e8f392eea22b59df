import { createHash } from "node:crypto";
import { type StatisticsRequirement, statisticName } from "./requirement.js";

/** Raised when the same requirement would give other numbers than before, or records of another form. */
const STATISTICS_VERSION = 4;

export interface StatisticsContent {
  readonly modelSha256: string;
  /** What the float model was rewritten by before, in this order (`PreparedModel.rewritings`). */
  readonly rewritings: readonly string[];
  /** Of the calibration samples as the model is fed with them. */
  readonly dataHash: string;
  /** Which of them are used, in which order. */
  readonly samples: readonly number[];
  readonly requirement: StatisticsRequirement;
  readonly onnxruntime: string;
}

/** The store key of statistics: the same model, samples and requirement give the same key. */
export function statisticsKey(content: StatisticsContent): string {
  const { requirement, ...plain } = content;
  const asked = [...requirement].map(([tensor, statistics]) => [tensor, statistics.map(statisticName)]);
  const document = JSON.stringify({ version: STATISTICS_VERSION, ...plain, asked });
  return `statistics/${createHash("sha256").update(document).digest("hex")}`;
}

/** The store key of what is computed of kept statistics, and depends on `content` besides. */
export function derivedKey(statisticsKey: string, kind: string, content: unknown): string {
  return `${statisticsKey}/${kind}/${createHash("sha256").update(JSON.stringify(content)).digest("hex")}`;
}
