import { homedir } from "node:os";
import { join } from "node:path";
import { FileObjectStore } from "../../shared/storage/file-store.js";
import { requireWritable } from "./output-folder.js";

/** @throws {UsageError} when statistics cannot be kept */
export function requireStatisticsFolder(): Promise<void> {
  return requireWritable(statisticsFolder(), "set QUANTFLEET_CACHE to a folder that can be written to");
}

/**
 * Where statistics are kept by content, so that the next run with the same model and samples gathers none:
 * `QUANTFLEET_CACHE`, or the user's cache folder.
 */
export function statisticsFolder(): string {
  const { QUANTFLEET_CACHE, XDG_CACHE_HOME } = process.env;
  return QUANTFLEET_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "quantfleet");
}

/** Opens the store in that folder. */
export function openStatistics(): Promise<FileObjectStore> {
  return FileObjectStore.open(statisticsFolder());
}
