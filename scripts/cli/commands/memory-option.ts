import { InvalidArgumentError, Option } from "commander";
import { parseBytes } from "../../../shared/basics/memory-limit.js";

/** The option `--max-memory`, parsed to bytes; the program sets the limit before a command starts. */
export function maxMemory(): Option {
  return new Option(
    "--max-memory <size>",
    "memory limit of a model and its data, such as 4GB (default: three quarters of the machine's memory)",
  ).argParser(memorySize);
}

function memorySize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("must be a size such as 4GB or 512MB.");
}
