import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import type { RunConfigurationInput } from "../../../../shared/configuration/schema.js";
import { processorClass } from "../../../../shared/runtime/processor-probe.js";
import { onnxruntimeVersion } from "../../../../shared/runtime/session.js";
import { evaluate } from "../../../api/evaluate.js";
import { modelsFolder } from "./models.js";

type Cell = string | number;

/**
 * Prints a table of measurements on the models in `../shared/models`, with the versions used.
 *
 * @param measure yields the rows; `models` is the folder of models, `scratch` a temporary folder, removed
 *   afterwards
 */
export async function printModelTable(
  head: readonly string[],
  measure: (models: string, scratch: string) => AsyncIterable<readonly Cell[]>,
): Promise<void> {
  const models = modelsFolder();
  if (models === undefined) {
    console.log("../shared/models is missing, so nothing can be measured.");
    return;
  }
  console.log(`onnxruntime ${onnxruntimeVersion()}, ${await processorClass()}, Node ${process.version}`);
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  const table = new Table({ style: { head: [], border: [] }, head: [...head] });
  try {
    for await (const row of measure(models, scratch)) table.push([...row]);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(table.toString());
}

/** The metric's value for a model on the configuration's evaluation data. */
export async function metricOf(
  model: string,
  configuration: RunConfigurationInput,
  directory: string,
): Promise<number> {
  return (await evaluate(model, { configuration, directory })).metric.value;
}
