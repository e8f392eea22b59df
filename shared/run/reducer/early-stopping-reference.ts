import type { Race } from "../protocol/messages.js";
import { rowsKey } from "../protocol/record-keys.js";
import {
  findFinished,
  type MeasuredTrial,
  type RunningTrial,
  type RunState,
  type TrialRecord,
} from "../protocol/state.js";
import { FLOAT_TRIAL } from "../protocol/study.js";

/** More tell hardly more: of what is left, most is the trial's own (docs/search.md, "Race"). */
const PEERS = 4;
/** Where a search lies so far behind its last complete trials, these say little of what it tries now. */
const LOOK_BACK = 128;

/** What a trial's shard races against; `undefined` where the float model's rows are not at hand. */
export function raceOf(state: RunState, trial: RunningTrial, shard: number): Race | undefined {
  const { optimizer, evaluation } = state.request;
  const float = findFinished(state, FLOAT_TRIAL);
  const referenceScores = float && rowsOf(state, float, shard);
  if (referenceScores === undefined) return undefined;
  const incumbent = trial.incumbent === undefined ? undefined : findFinished(state, trial.incumbent);
  const incumbentScores = incumbent && rowsOf(state, incumbent, shard);
  return {
    referenceScores,
    ...(incumbent?.state === "complete" && incumbentScores !== undefined
      ? {
          incumbent: {
            trial: incumbent.number,
            scores: incumbentScores,
            bytes: incumbent.measurement.bytes,
            ...(incumbent.measurement.latency === undefined
              ? {}
              : { latencyRatio: incumbent.measurement.latency.ratio }),
          },
        }
      : {}),
    peerScores: latestComplete(state, trial).flatMap((peer) => rowsOf(state, peer, shard) ?? []),
    // Any shard can stop the trial, so they share the probability of doing so wrongly (union bound).
    delta: optimizer.raceDelta / evaluation.shards,
  };
}

/** Where a trial's rows for a shard lie, if they were kept: a run on other shards than this one's may have scored it. */
function rowsOf({ request }: RunState, record: TrialRecord, shard: number): string | undefined {
  if (record.state === "failed" || record.scores.length !== request.evaluation.shards) return undefined;
  const name = record.scores[shard];
  return name ? rowsKey(request.runId, record, shard, name) : undefined;
}

/** Of the trials that had ended when this one was asked for, so that a job that is sent again races the same. */
function latestComplete({ finished }: RunState, { seen, incumbent }: RunningTrial): readonly MeasuredTrial[] {
  const peers: MeasuredTrial[] = [];
  const oldest = Math.max(0, seen - LOOK_BACK);
  for (let i = seen - 1; i >= oldest && peers.length < PEERS; i--) {
    const record = finished[i]!;
    if (record.state !== "complete" || record.configuration === null || record.number === incumbent) continue;
    peers.push(record);
  }
  return peers;
}
