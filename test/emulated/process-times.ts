import { readFileSync } from "node:fs";

/** Of Linux, whatever the kernel's own tick is. */
const TICKS_A_SECOND = 100;
/** Behind the command's name, which may hold spaces: the 14th and 15th of proc(5). */
const [USER_TICKS, SYSTEM_TICKS] = [11, 12];

/** What a process has had of the processors, its ended threads included; 0 where there is no such process or no Linux. */
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
