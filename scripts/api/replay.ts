import { QuantfleetError } from "../../shared/basics/errors.js";
import { requireSupported } from "../../shared/configuration/supported.js";
import { loadWorkload } from "../../shared/evaluation/workload/workload.js";
import { tuningStudy } from "../../shared/run/protocol/tuning-study.js";
import { type Replay, replayAsks } from "../../shared/run/result/replay.js";
import { loadConfiguration } from "./configuration.js";
import { readRuns, rememberedSource } from "./earlier-runs.js";
import { openStatistics } from "./statistics-folder.js";

/**
 * Replays the latest run in an output folder: repeats its asks (the sampler's proposals of trials) from its seed
 * and from the trials that each ask had seen.
 *
 * @throws {QuantfleetError} when the folder holds no run
 * @throws {ConfigurationError | ModelError | DataError} when its model or data have moved or changed
 */
export async function replay(out: string): Promise<Replay & { readonly runId: string }> {
  const run = (await readRuns(out)).at(-1);
  const source = run && rememberedSource(out, run);
  if (run === undefined || source === undefined) {
    throw new QuantfleetError(
      "NOTHING_TO_RESUME",
      `${out} holds no run to replay; give the output folder of tune.`,
    );
  }
  const { configuration, directory } = await loadConfiguration(source);
  requireSupported(configuration, "tune");
  const { metric } = await loadWorkload(configuration, directory, openStatistics);
  return { runId: run.state.request.runId, ...replayAsks(tuningStudy(metric), run.state) };
}
