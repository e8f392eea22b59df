import assert from "node:assert/strict";
import type { ModelResult, RunResult } from "../../../shared/run/result/result.js";

/** The results of a run's preset configuration, which must have been scored. */
export function scoredBase({ base }: Pick<RunResult, "base">): ModelResult {
  assert.ok(base !== null && !("reason" in base), "the base was scored");
  return base;
}
