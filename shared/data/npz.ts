import { unzipSync } from "fflate";
import { DataError } from "../basics/errors.js";

/**
 * Limit in bytes on an archive and on the unpacked array, both of which are in memory as a whole; of `.npy` files
 * only the wanted rows (samples) are read.
 */
export const LARGEST_ARCHIVE_BYTES = 1024 ** 3;
/** Largest number of entries in a ZIP directory without the 64-bit extension. */
const MAX_ENTRIES = 65_535;
/** Highest compression ratio of DEFLATE; an entry that claims more is forged. */
const LARGEST_RATIO = 1032;

/**
 * The keys of the arrays in an `.npz` archive, in its order.
 * @throws DataError when the archive is damaged
 */
export function npzKeys(archive: Uint8Array, name: string): readonly string[] {
  const keys: string[] = [];
  try {
    unzipSync(archive, {
      filter: (entry) => {
        if (entry.name.endsWith(".npy") && keys.length < MAX_ENTRIES)
          keys.push(entry.name.slice(0, -".npy".length));
        return false;
      },
    });
  } catch (cause) {
    throw new DataError(
      `${name} is not a readable .npz archive (${String(cause)}); write it anew with numpy.savez.`,
      {
        cause,
      },
    );
  }
  return keys;
}

/**
 * The `.npy` file that an `.npz` archive holds under `key`. Sizes are checked in the archive's directory before
 * anything is unpacked, only the wanted entry is unpacked, and its name is never used as a path.
 *
 * @throws {DataError} when the archive is damaged, lacks the key, or would unpack to more than
 * `LARGEST_ARCHIVE_BYTES`
 */
export function extractFromNpz(archive: Uint8Array, key: string, name: string): Uint8Array {
  const wanted = `${key}.npy`;
  const keys: string[] = [];
  let entries = 0;
  let declared = -1;
  let unpacked: Record<string, Uint8Array>;
  try {
    unpacked = unzipSync(archive, {
      filter: (entry) => {
        entries++;
        if (entries > MAX_ENTRIES)
          throw new DataError(
            `${name} has more than ${MAX_ENTRIES} entries; save only the arrays that are needed.`,
          );
        if (entry.name.endsWith(".npy") && keys.length < 20) keys.push(entry.name.slice(0, -".npy".length));
        if (entry.name !== wanted) return false;
        if (declared >= 0) throw new DataError(`${name} holds ${key} twice; write it anew with numpy.savez.`);
        declared = entry.originalSize;
        if (declared > LARGEST_ARCHIVE_BYTES) {
          throw new DataError(
            `${name} unpacks to ${declared} bytes, but at most ${LARGEST_ARCHIVE_BYTES} are allowed; save the array with numpy.save, which is read by rows.`,
          );
        }
        if (declared > (entry.size + 1) * LARGEST_RATIO) {
          throw new DataError(
            `${name} claims to unpack ${entry.size} bytes to ${declared}, which no archive can; write it anew with numpy.savez.`,
          );
        }
        return true;
      },
    });
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(
      `${name} is not a readable .npz archive (${String(error)}); write it anew with numpy.savez.`,
      {
        cause: error,
      },
    );
  }
  const content = unpacked[wanted];
  if (content === undefined) {
    throw new DataError(
      `${name} holds no array ${JSON.stringify(key)}; it holds ${keys.join(", ") || "none"}.`,
    );
  }
  if (content.length !== declared) {
    throw new DataError(
      `${name} unpacks ${key} to ${content.length} bytes, but its directory says ${declared}; write it anew with numpy.savez.`,
    );
  }
  return content;
}
