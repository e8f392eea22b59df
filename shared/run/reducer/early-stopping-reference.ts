import type { EarlyStoppingReference } from "../protocol/messages.js";
import { rowsKey } from "../protocol/record-keys.js";
import {
  findFinished,
  type MeasuredTrial,
  type RunningTrial,
  type RunState,
  type TrialRecord,
} from "../protocol/state.js";
import { FLOAT_TRIAL } from "../protocol/study.js";

/**
 * Maximum number of peers (other complete trials that a trial is compared with). More of them hardly reduce
 * the variance: most of the remaining variance is the trial's own.
 */
const PEERS = 4;
/**
 * Maximum age of peers in trials: complete trials that ended more trials ago are too unlike the current ones.
 */
const LOOK_BACK = 128;

/**
 * What a trial's shard (a worker's part of the samples) is compared with for early stopping; `undefined` if
 * the float model's rows (per-sample scores) are not stored for this shard.
 */
export function earlyStoppingReference(
  state: RunState,
  trial: RunningTrial,
  shard: number,
): EarlyStoppingReference | undefined {
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
    // Any shard can stop the trial, so the shards share the error probability (union bound).
    delta: optimizer.raceDelta / evaluation.shards,
  };
}

/**
 * Store key of a trial's rows (per-sample scores) for a shard; `undefined` where it failed, did not answer
 * for the shard, or was scored in other shards by an earlier run.
 */
function rowsOf({ request }: RunState, record: TrialRecord, shard: number): string | undefined {
  if (record.state === "failed" || record.scores.length !== request.evaluation.shards) return undefined;
  const name = record.scores[shard];
  return name ? rowsKey(request.runId, record, shard, name) : undefined;
}

/**
 * The peers of a trial (other complete trials that it is compared with): the latest among those that had
 * ended when it was opened, so that a resent job is compared with the same trials.
 */
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
