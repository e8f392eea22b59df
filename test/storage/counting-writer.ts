import { PreconditionFailedError } from "../../shared/storage/errors.js";
import { FileObjectStore } from "../../shared/storage/file-store.js";

/** Increments `counter` in the given folder `times` times, confirming each increment to the parent. */
const [folder = "", times = "0"] = process.argv.slice(2);
const store = await FileObjectStore.open(folder);
for (let done = 0; done < Number(times); ) {
  const stored = await store.get("counter");
  if (stored === undefined) throw new Error("there is no counter");
  const next = Number(Buffer.from(stored.body).toString()) + 1;
  try {
    await store.put("counter", Buffer.from(`${next}`), { ifMatch: stored.etag });
  } catch (error) {
    if (error instanceof PreconditionFailedError) continue;
    throw error;
  }
  done++;
  process.send?.(next);
}
process.disconnect?.();
