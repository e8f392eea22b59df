import type { ObjectStore } from "../../storage/object-store.js";
import { isWhole, MAX_ENCODED_ROWS, type PackedRows, packedRowsSchema } from "../protocol/rows.js";
import { getBounded } from "./bounded-record.js";
import { DamagedRecordError } from "./damaged-record.js";
import { parseRecord } from "./parse-record.js";

/** The longest rows, and what stands around them. */
const MAX_BYTES = MAX_ENCODED_ROWS + 1_024;

/**
 * Rows of a scored shard. Users may write some, those of trials that a run begins with.
 *
 * @returns `undefined` where there are none
 * @throws DamagedRecordError when they are larger than rows can be, or no rows
 */
export async function readRows(store: ObjectStore, key: string): Promise<PackedRows | undefined> {
  const stored = await getBounded(store, key, MAX_BYTES);
  const rows = stored && parseRecord(key, packedRowsSchema, stored.body);
  if (rows !== undefined && !isWhole(rows))
    throw new DamagedRecordError(key, "is not as long as the rows that it announces");
  return rows;
}
