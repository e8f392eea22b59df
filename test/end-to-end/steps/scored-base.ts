import assert from "node:assert/strict";
import type { ModelResult, RunResult } from "../../../shared/run/result/result.js";

/** The base configuration's results, of a run that could score it. */
export function scoredBase({ base }: Pick<RunResult, "base">): ModelResult {
  assert.ok(base !== null && !("reason" in base), "the base was scored");
  return base;
}
