import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import * as z from "zod";

/** A process, identified so that a later process with the same number is not mistaken for it. */
export const processIdentitySchema = z.object({
  host: z.string(),
  pid: z.int().min(1),
  /** Start time of the process as the kernel states it, where the platform provides it (Linux). */
  started: z.string().optional(),
});

export type ProcessIdentity = Readonly<z.infer<typeof processIdentitySchema>>;

export function currentProcess(): ProcessIdentity {
  current ??= identify();
  return current;
}

let current: ProcessIdentity | undefined;

function identify(): ProcessIdentity {
  const started = processStatus(process.pid)?.started;
  return { host: hostname(), pid: process.pid, ...(started === undefined ? {} : { started }) };
}

/**
 * Whether a process may still be running. A process of another host is assumed to be alive, because it cannot
 * be checked.
 */
export function mayBeAlive(owner: ProcessIdentity): boolean {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const status = processStatus(owner.pid);
  if (status === undefined) return true;
  // A killed process stays a zombie until its parent reaps it, in containers often forever.
  if (ENDED_STATES.has(status.state)) return false;
  return owner.started === undefined || status.started === owner.started;
}

/** Process states zombie and dead (proc(5)). */
const ENDED_STATES: ReadonlySet<string> = new Set(["Z", "X"]);

function processStatus(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    // The main thread has the same start time as the process; emulators such as qemu report an invented one
    // for the process.
    const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, "latin1");
    // The second field, the command, may contain spaces and parentheses. The state follows it, and 19 fields
    // later the start time (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state] = fields;
    const started = fields[19];
    return state === undefined || started === undefined ? undefined : { state, started };
  } catch {
    return undefined;
  }
}
