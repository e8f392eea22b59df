import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { decidedTrials } from "../end-to-end/steps/run-folder.js";
import { replayLocally } from "./replay-locally.js";

/**
 * Asserts that trials and model bytes in `folder/fleet` equal those of a local run with the same order of
 * results, which is written to `folder/local`.
 */
export async function assertSameAsLocally(
  fleet: ObjectStore,
  runId: string,
  configuration: RunConfigurationInput,
  folder: string,
  workers: number,
): Promise<void> {
  await replayLocally(fleet, runId, { configuration }, join(folder, "local"), workers);
  const model = (name: string) => readFile(join(folder, name, "model.onnx"));
  assert.deepEqual(await decidedTrials(join(folder, "fleet")), await decidedTrials(join(folder, "local")));
  assert.ok((await model("fleet")).equals(await model("local")));
}
