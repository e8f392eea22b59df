import type { MESSAGE_VERSION, RunEvent } from "../../shared/run/protocol/messages.js";
import type { RunState, TrialRecord } from "../../shared/run/protocol/state.js";
import type { Study } from "../../shared/run/protocol/study.js";
import { markCarriedOut } from "../../shared/run/reducer/pending-commands.js";
import { createReducer } from "../../shared/run/reducer/reducer.js";
import { answerToyJob } from "../run/toy-model.js";
import type { Evaluations } from "./simulated/evaluations.js";

/**
 * The same run without faults: one reducer applies the results in the order in which the trials of the faulty
 * run ended. Stopping by time or cost is switched off, as both differ.
 */
export function runWithoutFaults(study: Study, faulty: RunState, evaluations: Evaluations): RunState {
  const { optimizer, cost: _, ...rest } = faulty.request;
  const request = { ...rest, optimizer: { ...optimizer, maxMinutes: 0 } };
  const base: { readonly version: typeof MESSAGE_VERSION; readonly runId: string } = {
    version: 1,
    runId: request.runId,
  };
  const { reduce } = createReducer(study);
  let at = faulty.startedAt;
  let state = reduce(undefined, { ...base, type: "RunRequested", at, request }).state!;
  const apply = (event: RunEvent): void => {
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
    apply(answerToyJob(request, job, { worker: "w", isa: "isa-a", at: ++at }));
  }
  for (const record of faulty.finished) {
    at++;
    for (const event of reportsOf(record, faulty, evaluations)) apply({ ...event, attempt: 1, at });
    if (record.state === "failed")
      for (const attempt of [1, 2]) {
        const { number: trial } = record;
        const outcome = { state: "failed", reason: record.reason } as const;
        const shard = { index: 0, count: request.evaluation.shards };
        apply({
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

/** What the workers reported on a trial; for a pruned one the report that stopped it comes last. */
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
