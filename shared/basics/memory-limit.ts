import { totalmem } from "node:os";
import { UsageError } from "./errors.js";

/**
 * Name of the environment variable that holds the memory limit: an environment variable, because worker threads
 * get a copy of the environment when they start.
 */
const VARIABLE = "QUANTFLEET_MAX_MEMORY";

/** Default limit as a fraction of the machine's memory; the rest is left to other programs. */
const SHARE_OF_MACHINE = 3 / 4;

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/**
 * Limit in bytes on the memory that a model or file may declare, checked before anything is allocated for it.
 * It is the value set by the user, or three quarters of the machine's memory (of the function's own memory on
 * AWS Lambda).
 *
 * @throws {UsageError} when the environment variable does not hold a size
 */
export function memoryLimit(environment: NodeJS.ProcessEnv = process.env): number {
  const set = environment[VARIABLE];
  if (set === undefined) return Math.floor(SHARE_OF_MACHINE * machineMemory(environment));
  const bytes = parseBytes(set);
  if (bytes !== undefined) return bytes;
  throw new UsageError(`${VARIABLE} is "${set}", which is no size; give one such as 4GB.`);
}

/** Sets the memory limit (see `memoryLimit`) of this process and of all threads that it starts from now on. */
export function setMemoryLimit(bytes: number): void {
  process.env[VARIABLE] = String(bytes);
}

/** The number of bytes that a text states, with or without a unit, such as `4GB`; `undefined` when it states none. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = "B"] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = UNITS[unit === "" ? "B" : unit.toUpperCase()];
  if (digits === undefined || factor === undefined) return undefined;
  const bytes = Math.floor(Number(digits) * factor);
  return bytes >= 1 && Number.isFinite(bytes) ? bytes : undefined;
}

/**
 * The end of an error sentence that says how much memory is needed, what the limit is and how to raise it;
 * `undefined` when `needed` is within the limit.
 * @param needed bytes; may be more than a number holds exactly
 */
export function memoryProblem(needed: number, limit = memoryLimit()): string | undefined {
  if (needed <= limit) return undefined;
  return `${inGigabytes(needed)} of memory, more than the limit of ${inGigabytes(limit)}; raise it with --max-memory (environment variable ${VARIABLE}) where there is more, or make the model smaller`;
}

function inGigabytes(bytes: number): string {
  return `${Number((bytes / UNITS.GB!).toPrecision(3))} GB`;
}

function machineMemory({ AWS_LAMBDA_FUNCTION_MEMORY_SIZE: functionMegabytes }: NodeJS.ProcessEnv): number {
  if (functionMegabytes !== undefined && Number(functionMegabytes) > 0) {
    return Number(functionMegabytes) * 2 ** 20;
  }
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return constrained !== undefined && constrained > 0 ? Math.min(constrained, total) : total;
}
