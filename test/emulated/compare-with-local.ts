import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunConfigurationInput } from "../../shared/configuration/schema.js";
import type { ObjectStore } from "../../shared/storage/object-store.js";
import { decidedTrials } from "../end-to-end/steps/run-folder.js";
import { runLikewise } from "./replay-locally.js";

/**
 * Holds the trials and the model's bytes that were fetched to `folder/fleet` against those of the engine of this
 * machine with the same order of results, which go to `folder/local`.
 */
export async function sameAsLocally(
  fleet: ObjectStore,
  runId: string,
  configuration: RunConfigurationInput,
  folder: string,
  workers: number,
): Promise<void> {
  await runLikewise(fleet, runId, { configuration }, join(folder, "local"), workers);
  const model = (name: string) => readFile(join(folder, name, "model.onnx"));
  assert.deepEqual(await decidedTrials(join(folder, "fleet")), await decidedTrials(join(folder, "local")));
  assert.ok((await model("fleet")).equals(await model("local")));
}
