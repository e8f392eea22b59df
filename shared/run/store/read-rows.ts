import type { ObjectStore } from "../../storage/object-store.js";
import { isWhole, MAX_ENCODED_ROWS, type PackedRows, packedRowsSchema } from "../protocol/rows.js";
import { getBounded } from "./bounded-record.js";
import { DamagedRecordError } from "./damaged-record.js";
import { parseRecord } from "./parse-record.js";

/** Maximum size in bytes of stored rows (per-sample scores): the encoded rows, plus the JSON around them. */
const MAX_BYTES = MAX_ENCODED_ROWS + 1_024;

/**
 * Reads the rows (per-sample scores) of a scored shard. They are checked, because users may write those of
 * trials that a run begins with.
 *
 * @returns `undefined` if there are none
 * @throws DamagedRecordError if they are larger than allowed or malformed
 */
export async function readRows(store: ObjectStore, key: string): Promise<PackedRows | undefined> {
  const stored = await getBounded(store, key, MAX_BYTES);
  const rows = stored && parseRecord(key, packedRowsSchema, stored.body);
  if (rows !== undefined && !isWhole(rows))
    throw new DamagedRecordError(key, "is not as long as the rows that it announces");
  return rows;
}
