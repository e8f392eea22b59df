import { InvalidArgumentError } from "commander";
import { parseBytes } from "../../shared/memory-limit.js";

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}.`);
  };
}

/** Bytes, from a size such as `4GB`. */
export function memorySize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("must be a size such as 4GB or 512MB.");
}

export function number(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= low) return value;
    throw new InvalidArgumentError(`must be a number from ${low} on.`);
  };
}
