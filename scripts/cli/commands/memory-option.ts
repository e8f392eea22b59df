import { InvalidArgumentError, Option } from "commander";
import { parseBytes } from "../../../shared/basics/memory-limit.js";

/** `--max-memory`, in bytes; the program sets the limit before any command begins. */
export function maxMemory(): Option {
  return new Option(
    "--max-memory <size>",
    "what a model and its data may take, such as 4GB (default: three quarters of the machine's memory)",
  ).argParser(memorySize);
}

function memorySize(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("must be a size such as 4GB or 512MB.");
}
