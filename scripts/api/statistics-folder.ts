import { homedir } from "node:os";
import { join } from "node:path";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import { requireWritable } from "./output-folder.js";

/**
 * Checks that the cache of calibration statistics can be written.
 * @throws {UsageError}
 */
export function requireStatisticsFolder(): Promise<void> {
  return requireWritable(statisticsFolder(), "set QUANTFLEET_CACHE to a folder that can be written to");
}

/**
 * Folder of the cache of calibration statistics: `QUANTFLEET_CACHE`, or the user's cache folder. Entries are keyed
 * by content, so another run with the same model and samples finds them.
 */
export function statisticsFolder(): string {
  const { QUANTFLEET_CACHE, XDG_CACHE_HOME } = process.env;
  return QUANTFLEET_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "quantfleet");
}

/** Opens the cache of calibration statistics. */
export function openStatistics(): Promise<FileObjectStore> {
  return FileObjectStore.open(statisticsFolder());
}
