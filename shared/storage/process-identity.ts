import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import * as z from "zod";

/** A process, named so that a later one with the same number is not mistaken for it. */
export const processIdentitySchema = z.object({
  host: z.string(),
  pid: z.int().min(1),
  /** The kernel's start time of the process, where the platform tells it (Linux). */
  started: z.string().optional(),
});

export type ProcessIdentity = Readonly<z.infer<typeof processIdentitySchema>>;

export function currentProcess(): ProcessIdentity {
  current ??= identify();
  return current;
}

let current: ProcessIdentity | undefined;

function identify(): ProcessIdentity {
  const started = startTime(process.pid);
  return { host: hostname(), pid: process.pid, ...(started === undefined ? {} : { started }) };
}

/**
 * Whether the process may still be running. A process of another host is taken for alive, as there is no way to
 * know.
 */
export function mayBeAlive(owner: ProcessIdentity): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const started = startTime(owner.pid);
  return started === undefined || owner.started === undefined || started === owner.started;
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command, second in line, may hold spaces and parentheses; the start time is 20th after its end (proc(5)).
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
