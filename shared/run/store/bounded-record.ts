import type { ObjectStore, StoredObject } from "../../storage/object-store.js";
import { DamagedRecordError } from "./damaged-record.js";

/** Reads an object that users may have written, which must not be larger than `maxBytes`. */
export async function getBounded(
  store: ObjectStore,
  key: string,
  maxBytes: number,
): Promise<StoredObject | undefined> {
  const stored = await store.get(key, { start: 0, end: maxBytes + 1 });
  if (stored !== undefined && stored.body.byteLength > maxBytes)
    throw new DamagedRecordError(key, `has more than ${maxBytes} bytes`);
  return stored;
}
