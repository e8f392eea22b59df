import { RunError } from "../basics/errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { putImmutable } from "../storage/retrying-store.js";
import { StatisticsTable } from "./table.js";

/** Far more than a shard has, and less than a function's memory: whoever may submit runs can write statistics. */
const MAX_SHARD_BYTES = 512 * 1_048_576;

/** Shards of statistics under one content key: `<key>/<count>/<index>`. */
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

/**
 * All shards of a key, joined in sample order; `undefined` while one is missing.
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
