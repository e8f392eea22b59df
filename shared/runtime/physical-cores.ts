import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/**
 * Physical cores that this process may use: two threads of one core share its multipliers, so scoring on both gains
 * little and disturbs latencies. Where the machine does not tell (only Linux does), logical ones.
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
