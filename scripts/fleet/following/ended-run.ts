import { QuantfleetError } from "../../../shared/basics/errors.js";
import { hasEnded } from "../../../shared/run/protocol/state.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import { type OutputContext, writeOutputs } from "../../api/write-outputs.js";
import { unknownRun } from "./earlier-run.js";
import type { FollowedRun, FollowedState } from "./followed-run.js";

/**
 * Reads the state of a run that has ended.
 * @throws {QuantfleetError} when there is no such run, or it has not ended
 */
export async function readEndedState(run: FollowedRun, runId: string): Promise<FollowedState> {
  const seen = await run.read();
  if (seen === undefined) throw unknownRun(runId);
  const { state } = seen;
  if (hasEnded(state)) return seen;
  throw new QuantfleetError(
    "RUN_FAILED",
    `Run ${runId} has not ended (${state.phase}); wait for it, or cancel it first.`,
  );
}

/**
 * Writes the result of an ended run into a folder, as `tune` does on one machine.
 * @throws {RunError} when the run failed
 */
export function writeEndedResult(
  { state, study }: FollowedState,
  context: Required<Pick<OutputContext, "out" | "workload" | "hash" | "store">>,
): Promise<RunResult> {
  return writeOutputs(state, {
    ...context,
    study,
    workers: state.request.parallel,
    // The time of asks (the sampler's proposals) is unknown, as the coordinator does not record it.
    timers: { askSeconds: 0 },
  });
}
