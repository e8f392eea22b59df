import { RunError } from "../basics/errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { putImmutable } from "../storage/retrying-store.js";
import { StatisticsTable } from "./table.js";

/**
 * Upper limit in bytes of a stored shard (the statistics of a part of the samples): far above real sizes and
 * below a function's memory. Anyone who may submit runs can write statistics, so their size is not trusted.
 */
const MAX_SHARD_BYTES = 512 * 1_048_576;

/** Store key of one of `count` shards (parts of the samples) of the statistics with a content key. */
function shardKey(key: string, { index, count }: { index: number; count: number }): string {
  return `${key}/${count}/${index}`;
}

export async function hasStatisticsShard(
  store: ObjectStore,
  key: string,
  shard: { readonly index: number; readonly count: number },
): Promise<boolean> {
  return (await store.get(shardKey(key, shard), { start: 0, end: 0 })) !== undefined;
}

export async function writeStatisticsShard(
  store: ObjectStore,
  key: string,
  shard: { readonly index: number; readonly count: number },
  table: StatisticsTable,
): Promise<void> {
  await putImmutable(store, shardKey(key, shard), table.encode());
}

/** Returns statistics that are stored as one shard: read where the store has them, else gathered and stored. */
export async function keptStatistics<Gathered extends StatisticsTable | undefined>(
  store: ObjectStore,
  key: string,
  gather: () => Promise<Gathered>,
): Promise<StatisticsTable | Gathered> {
  const kept = await readStatistics(store, key, 1);
  if (kept !== undefined) return kept;
  const gathered = await gather();
  if (gathered === undefined) return gathered;
  await writeStatisticsShard(store, key, { index: 0, count: 1 }, gathered);
  return (await readStatistics(store, key, 1))!;
}

/**
 * Reads all shards (parts of the samples) of the statistics with a key and joins them in sample order;
 * `undefined` while one is missing.
 *
 * @throws {RunError} naming the record that is damaged
 */
export async function readStatistics(
  store: ObjectStore,
  key: string,
  count: number,
): Promise<StatisticsTable | undefined> {
  const names = Array.from({ length: count }, (_, index) => shardKey(key, { index, count }));
  const stored = await Promise.all(
    names.map((name) => store.get(name, { start: 0, end: MAX_SHARD_BYTES + 1 })),
  );
  const shards: StatisticsTable[] = [];
  for (const [index, shard] of stored.entries()) {
    if (shard === undefined) return undefined;
    if (shard.body.byteLength > MAX_SHARD_BYTES)
      throw new RunError(
        `The statistics record ${names[index]} has more than ${MAX_SHARD_BYTES} bytes; delete it, and it is gathered again.`,
      );
    shards.push(StatisticsTable.decode(shard.body, names[index]!));
  }
  return StatisticsTable.concatenate(shards);
}
