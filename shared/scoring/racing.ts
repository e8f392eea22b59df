import type { Race } from "../run/messages.js";
import { RecentlyUsed } from "../run/recently-used.js";
import { packedRowsSchema, unpackRows } from "../run/rows.js";
import { decideRace, lookSchedule, pairedDifferences } from "../search/race.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Workload } from "./workload.js";

/** A race that a trial takes part in while it is scored. */
export interface RunningRace {
  /** To be asked after each batch, with the rows so far; true once the trial has lost. */
  isDecided(rows: Float32Array, samples: number): boolean;
}

/** The float model's and the incumbent's, which one trial after the other is set against, and some to change to. */
const ROWS_IN_MEMORY = 4;

/** Rows of scored trials, read once: whatever is stored under a key of rows stays the same. */
export class RowsInMemory {
  readonly #rows = new RecentlyUsed<string, Float32Array>(ROWS_IN_MEMORY);

  constructor(private readonly store: ObjectStore) {}

  async read(key: string): Promise<Float32Array | undefined> {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const stored = await this.store.get(key);
    if (stored === undefined) return undefined;
    const rows = unpackRows(packedRowsSchema.parse(JSON.parse(Buffer.from(stored.body).toString("utf8"))));
    this.#rows.set(key, rows);
    return rows;
  }
}

/**
 * Sets a trial against the float model and the incumbent on the samples of its shard (search.md, "The race").
 *
 * @param bytes of the trial's quantized tensors
 * @returns `undefined` where the metric's rows have no bounds, without which there are no intervals
 */
export async function openRace(
  race: Race,
  scored: RowsInMemory,
  { metric, configuration }: Workload,
  bytes: number,
): Promise<RunningRace | undefined> {
  if (!metric.perSampleMean || metric.range === undefined) return undefined;
  const sign = metric.direction === "maximize" ? 1 : -1;
  const read = async (key: string): Promise<Float32Array | undefined> => {
    const rows = await scored.read(key);
    return rows?.map((row) => sign * row);
  };
  const reference = await read(race.referenceScores);
  if (reference === undefined) return undefined;
  const incumbent = race.incumbent && (await read(race.incumbent.scores));
  const { accuracy_loss, objective, minimize } = configuration.optimizer.params;
  const total = reference.length;
  const floatMean = reference.reduce((sum, row) => sum + row, 0) / total;
  const least = -(accuracy_loss / 100) * Math.abs(floatMean);
  const looks = lookSchedule(total);
  // A latency is known only when the trial has been scored, so a race against it cannot be lost before.
  const incumbentBytes = minimize === "size" ? race.incumbent?.bytes : undefined;
  const betterElsewhere = incumbentBytes !== undefined && incumbentBytes <= bytes;
  // Within the bound accuracy only decides between equal sizes: a larger trial cannot win however accurate it is.
  const accuracyCounts = objective !== "constrained" || incumbentBytes === bytes;
  const [low, high] = metric.range;
  let look = 0;
  return {
    isDecided: (rows, samples) => {
      if (samples >= total || samples < looks[look]!) return false;
      look += 1;
      const scores = rows.map((row) => sign * row);
      const decision = decideRace({
        total,
        range: 2 * (high - low),
        delta: race.delta,
        ...(objective === "pareto"
          ? {}
          : { bound: { differences: pairedDifferences(scores, reference), least } }),
        ...(incumbent === undefined
          ? {}
          : {
              incumbent: {
                betterElsewhere,
                ...(accuracyCounts ? { differences: pairedDifferences(scores, incumbent) } : {}),
              },
            }),
      });
      return decision !== "continue";
    },
  };
}
