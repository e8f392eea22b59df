import { readFileSync } from "node:fs";
import { arch } from "node:process";

/**
 * The class of instruction set that decides what 8-bit kernels compute: x86 without VNNI saturates in between
 * (runtime-facts.md, "Integer kernels and processors"), everything else agrees.
 */
export function instructionSet(cpuInfo: () => string = readCpuInfo): string {
  if (arch !== "x64") return arch;
  const flags = cpuInfo();
  return /\bavx512_vnni\b|\bavx_vnni\b/.test(flags) ? "x64-vnni" : "x64";
}

/** Only Linux tells; elsewhere x64 is taken for one without. */
function readCpuInfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
