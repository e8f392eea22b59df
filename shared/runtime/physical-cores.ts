import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/**
 * Number of physical cores that this process may use; the number of logical ones where it is unknown (outside
 * Linux). Two threads on one core share its multipliers, so using both gains little and disturbs latencies.
 */
export function physicalCores(cpuInfo: () => string = readCpuInfo): number {
  const cores = new Set(
    cpuInfo()
      .split("\n\n")
      .flatMap((processor) => {
        const socket = /^physical id\s*:\s*(\d+)$/m.exec(processor)?.[1];
        const core = /^core id\s*:\s*(\d+)$/m.exec(processor)?.[1];
        return socket === undefined || core === undefined ? [] : [`${socket}/${core}`];
      }),
  );
  const available = availableParallelism();
  return cores.size === 0 ? available : Math.min(cores.size, available);
}

function readCpuInfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
