import { totalmem } from "node:os";
import { UsageError } from "./errors.js";

/** Kept in the environment, of which worker threads get a copy when they start. */
const VARIABLE = "QUANTFLEET_MAX_MEMORY";

/** What is taken unless the user says otherwise; the rest is left to other programs. */
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
 * The bytes that what a model or a file declares may take, before anything is allocated for it: what was set, or three
 * quarters of the machine's memory; in an AWS function, of the function's own.
 *
 * @throws {UsageError} when the environment holds something else than a size
 */
export function memoryLimit(environment: NodeJS.ProcessEnv = process.env): number {
  const set = environment[VARIABLE];
  if (set === undefined) return Math.floor(SHARE_OF_MACHINE * machineMemory(environment));
  const bytes = parseBytes(set);
  if (bytes !== undefined) return bytes;
  throw new UsageError(`${VARIABLE} is "${set}", which is no size; give one such as 4GB.`);
}

/** Sets the limit for this process and the threads that it starts from now on. */
export function setMemoryLimit(bytes: number): void {
  process.env[VARIABLE] = String(bytes);
}

/** Bytes from a number of them, or from a size with a unit such as `4GB`; `undefined` where it is neither. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = "B"] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = UNITS[unit === "" ? "B" : unit.toUpperCase()];
  if (digits === undefined || factor === undefined) return undefined;
  const bytes = Math.floor(Number(digits) * factor);
  return bytes >= 1 && Number.isFinite(bytes) ? bytes : undefined;
}

/**
 * The rest of a sentence that says that something is too large, and what to do about it; `undefined` where it fits.
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
