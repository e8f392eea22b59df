import { join } from "node:path";
import { createMetric } from "../../metrics/create-metric.js";
import type { LocateModule } from "../../metrics/module-location.js";
import type { Study } from "../../run/protocol/study.js";
import { tuningStudy } from "../../run/protocol/tuning-study.js";
import { readWorkloadDocument, workloadConfiguration } from "../../run/store/workload-document.js";
import { fetchWorkloadFiles } from "../../run/store/workload-folder.js";
import type { ObjectStore } from "../../storage/object-store.js";

/**
 * The study of a run (its sampler, objective and metric), made from the workload document in the store;
 * `undefined` where there is no such run.
 */
export async function openStudy(
  store: ObjectStore,
  runId: string,
  folder: string,
  locateModule: LocateModule,
): Promise<Study | undefined> {
  const document = await readWorkloadDocument(store, runId);
  if (document === undefined) return undefined;
  const directory = join(folder, "runs", runId);
  const { engine } = workloadConfiguration(document, directory);
  const { metric, evaluation } = engine;
  if ("characters" in metric) {
    const files = document.files.filter(({ path }) => path === metric.characters);
    await fetchWorkloadFiles(store, files, { folder: directory, cache: join(folder, "contents") });
  }
  const { outputs } = document;
  const labelled = evaluation.labels !== undefined;
  return tuningStudy(await createMetric(metric, { directory, outputs, labelled, locateModule }));
}
