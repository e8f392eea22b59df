import type { MESSAGE_VERSION, RunEvent } from "../../shared/run/protocol/messages.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { markCarriedOut } from "../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../shared/run/reducer/reducer.js";
import { answerToyJob } from "../run/toy-model.js";
import type { Evaluations } from "./simulated/evaluations.js";

/**
 * The same run with nothing going wrong: one reducer hears the results in the order in which the trials ended
 * in the disturbed one. What is stopped by time or money is left out, as both differ.
 */
export function runUndisturbed(study: Study, disturbed: RunState, evaluations: Evaluations): RunState {
  const { optimizer, cost: _, ...rest } = disturbed.request;
  const request = { ...rest, optimizer: { ...optimizer, maxMinutes: 0 } };
  const base: { readonly version: typeof MESSAGE_VERSION; readonly runId: string } = {
    version: 1,
    runId: request.runId,
  };
  const { reduce } = createReducer(study);
  let at = disturbed.startedAt;
  let state = reduce(undefined, { ...base, type: "RunRequested", at, request }).state!;
  const hear = (event: RunEvent): void => {
    const { state: next, commands } = reduce(state, event);
    state = markCarriedOut(next!, commands);
  };
  for (let index = 0; index < request.statistics.shards; index++) {
    const shard = { index, count: request.statistics.shards };
    const job = {
      ...base,
      type: "statistics",
      attempt: 1,
      shard,
      key: request.statistics.key,
      deadline: at,
    } as const;
    hear(answerToyJob(request, job, { worker: "w", isa: "isa-a", at: ++at }));
  }
  for (const record of disturbed.finished) {
    at++;
    for (const event of reportsOf(record, disturbed, evaluations)) hear({ ...event, attempt: 1, at });
    if (record.state === "failed")
      for (const attempt of [1, 2]) {
        const { number: trial } = record;
        const outcome = { state: "failed", reason: record.reason } as const;
        const shard = { index: 0, count: request.evaluation.shards };
        hear({
          ...base,
          type: "TrialReported",
          trial,
          attempt,
          shard,
          worker: "w",
          isa: "isa-a",
          at,
          outcome,
        });
      }
  }
  return state;
}

/** What the workers reported of a trial; of a pruned one, the report that stopped it last. */
function reportsOf(record: TrialRecord, { request }: RunState, evaluations: Evaluations) {
  if (record.state === "failed") return [];
  const reports = record.scores.flatMap((scores, shard) => {
    if (scores === "") return [];
    const report = evaluations.answerOf(record.number, shard, scores);
    if (report === undefined)
      throw new Error(`nobody reported ${scores} of trial ${record.number} in ${request.runId}`);
    return [report];
  });
  return reports.sort((a, b) => Number(a.outcome.state === "pruned") - Number(b.outcome.state === "pruned"));
}
