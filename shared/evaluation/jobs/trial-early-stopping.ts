import { RecentlyUsed } from "../../basics/recently-used.js";
import type { EarlyStoppingReference } from "../../run/protocol/messages.js";
import { unpackRows } from "../../run/protocol/rows.js";
import { readRows } from "../../run/store/read-rows.js";
import {
  decideStopping,
  lookSchedule,
  meanScores,
  pairedDifferences,
  upperConfidenceBound,
} from "../../search/trials/early-stopping.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { Workload } from "../workload/workload.js";

/** Decides on early stopping of one trial while it is scored. */
export interface RunningRace {
  /**
   * Called after each batch with the rows (per-sample scores) so far; true once the trial has lost and can be
   * stopped.
   */
  isDecided(rows: Float32Array, samples: number): boolean;
  /**
   * The best difference of the metric to the float model's that the trial could have reached on all samples:
   * a confidence bound at the error probability of stopping. A stopped trial is judged by it, as its mean
   * over few samples is noise.
   */
  reachable(rows: Float32Array): number;
}

/**
 * Number of models whose per-sample scores stay in memory, the least recently used dropped first: the float model, the
 * best trial so far, the other trials that a trial is compared with, and a few replacements of these.
 */
const ROWS_IN_MEMORY = 16;

/**
 * Cache of the rows (per-sample scores) of scored trials by their store keys. Rows under a key never change,
 * so they are read once, or never where this worker scored them.
 */
export class RowsInMemory {
  readonly #rows = new RecentlyUsed<string, Float32Array>(ROWS_IN_MEMORY);

  constructor(private readonly store: ObjectStore) {}

  keep(key: string, rows: Float32Array): void {
    this.#rows.set(key, rows);
  }

  async read(key: string): Promise<Float32Array | undefined> {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const packed = await readRows(this.store, key);
    if (packed === undefined) return undefined;
    const rows = unpackRows(packed);
    this.#rows.set(key, rows);
    return rows;
  }
}

/**
 * Compares a trial with the accuracy bound and with the incumbent (the best trial so far) on the samples of
 * its shard, by paired differences of its rows (per-sample scores) to the mean rows of the float model, the
 * incumbent and some other trials (docs/design/search.md, "Early stopping").
 *
 * @param bytes size of the trial's model
 * @returns `undefined` where the metric's rows have no bounds, without which there are no confidence
 * intervals
 */
export async function openRace(
  race: EarlyStoppingReference,
  scored: RowsInMemory,
  { metric, configuration }: Workload,
  bytes: number,
): Promise<RunningRace | undefined> {
  if (!metric.perSampleMean || metric.range === undefined) return undefined;
  const sign = metric.direction === "maximize" ? 1 : -1;
  const signed = (rows: Float32Array): Float32Array => rows.map((row) => sign * row);
  const read = async (key: string): Promise<Float32Array | undefined> => {
    const rows = await scored.read(key);
    return rows && signed(rows);
  };
  const [float, incumbent, ...peers] = await Promise.all([
    read(race.referenceScores),
    race.incumbent && read(race.incumbent.scores),
    ...race.peerScores.map(read),
  ]);
  if (float === undefined) return undefined;
  const total = float.length;
  const rivals = [incumbent, ...peers].flatMap((rows) => (rows?.length === total ? [rows] : []));
  const reference = meanScores([float, ...rivals]);
  const meanOfReference = meanOf(reference);
  const floatMean = meanOf(float);
  const { accuracy_loss, objective, minimize } = configuration.optimizer.params;
  const looks = lookSchedule(total);
  // A latency is measured after scoring, so that no trial can be stopped for its latency.
  const incumbentBytes = minimize === "size" ? race.incumbent?.bytes : undefined;
  const betterElsewhere = incumbentBytes !== undefined && incumbentBytes <= bytes;
  // Objective `constrained` compares the accuracy of trials within the bound only where their sizes are
  // equal: a larger trial cannot win by accuracy.
  const accuracyCounts = objective !== "constrained" || incumbentBytes === bytes;
  const [low, high] = metric.range;
  const range = 2 * (high - low);
  const differencesOf = (rows: Float32Array) => pairedDifferences(signed(rows), reference);
  const standing = {
    total,
    range,
    delta: race.delta,
    ...(objective === "pareto"
      ? {}
      : { least: floatMean - (accuracy_loss / 100) * Math.abs(floatMean) - meanOfReference }),
    ...(incumbent === undefined
      ? {}
      : {
          incumbent: {
            betterElsewhere,
            tie: objective === "constrained",
            ...(accuracyCounts ? { mean: meanOf(incumbent) - meanOfReference } : {}),
          },
        }),
  };
  let look = 0;
  return {
    isDecided: (rows, samples) => {
      if (samples >= total || samples < looks[look]!) return false;
      look += 1;
      return decideStopping({ ...standing, differences: differencesOf(rows) }) !== "continue";
    },
    reachable: (rows) => {
      const mean = upperConfidenceBound(differencesOf(rows), total, range, race.delta) + meanOfReference;
      return sign * (mean - floatMean);
    },
  };
}

function meanOf(rows: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < rows.length; i++) sum += rows[i]!;
  return sum / rows.length;
}
