import { InvalidArgumentError } from "commander";

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}.`);
  };
}

export function number(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && value >= low) return value;
    throw new InvalidArgumentError(`must be a number from ${low} on.`);
  };
}

/**
 * Checks the path of a file or folder given as an option: an empty text, from a shell variable that is not set,
 * would mean the current folder.
 */
export function path(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("must be a path.");
}
