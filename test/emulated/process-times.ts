import { readFileSync } from "node:fs";

/** Unit of process times in /proc on Linux, independent of the kernel's tick. */
const TICKS_A_SECOND = 100;
/** Fields 14 and 15 of proc(5), counted after the command's name, which may contain spaces. */
const [USER_TICKS, SYSTEM_TICKS] = [11, 12];

/**
 * Processor time of a process in seconds, its ended threads included; 0 if there is no such process or no
 * Linux.
 */
export function processorSeconds(pid: number): number {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return 0;
  }
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) / TICKS_A_SECOND;
}
