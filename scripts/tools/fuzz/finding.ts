import { EXIT } from "../../cli/commands/exit-code.js";
import type { Outcome, Problem } from "./inputs/fuzz-input.js";

/** Names of the error classes meant for users; an error of any other class is a defect. */
const OWN_ERRORS = new Set([
  "QuantfleetError",
  "UsageError",
  "ConfigurationError",
  "ModelError",
  "DataError",
  "RunError",
  "CommanderError",
  "InvalidArgumentError",
  "LockedError",
  "MemoryLimitError",
  "UnscorableSampleError",
  "DamagedRecordError",
  "UnreadableMessageError",
]);

/** Matches words of JavaScript and of libraries, which must not occur in messages for users. */
const INTERNAL =
  /Cannot (?:read|set|convert|mix|destructure|access)|is not (?:a function|iterable|defined|valid JSON)|Invalid (?:array|string|typed array) length|call stack|" is out of range|outside the bounds|undefined \(|\[object |ZodError|TypeError|RangeError|SyntaxError|ERR_|\bat .*\.js:\d+/;
/** Matches a location: a path, an option, a JSON path, a name in quotes, or a record's key. */
const PLACE = /[\w@]\/|\bout\b|\.(?:json|onnx|np[yz]|txt)|--\w|\w\.\w|["[`']|runs\//;
/**
 * Matches a remedy: a separate clause, a question, what a value must be, or the position of a JSON syntax
 * error.
 */
const REMEDY = /; |\?|must \w|:\d+:\d+ is not JSON: /;
/** Longest allowed message, in characters; a path in it may have 4,096. */
const LONGEST = 5_000;
/**
 * Matches the end of a sentence within the text, after quotations and parentheses, which contain foreign
 * values, are removed.
 */
const SECOND_SENTENCE = /[.!?] +[A-Z]/;

/** The reason why an input's outcome is a defect; `undefined` where it is none. */
export function findDefect({ code, problems }: Outcome): string | undefined {
  for (const problem of problems) {
    const defect = defectOf(problem, code);
    if (defect !== undefined) return defect;
  }
  const known: readonly number[] = [EXIT.done, EXIT.failed, EXIT.badInput, EXIT.boundMissed];
  return known.includes(code) ? undefined : `the exit code is ${code}`;
}

function defectOf({ name, message, how }: Problem, code: number): string | undefined {
  if (!OWN_ERRORS.has(name)) return `an error of class ${name} was ${how}`;
  if (INTERNAL.test(message)) return `the text that was ${how} is of the program's own making`;
  if (how === "reported") return undefined;
  if (/\n/.test(message.trimEnd())) return "the error has more than one line";
  if (message.length > LONGEST) return `the error has ${message.length} characters`;
  if (SECOND_SENTENCE.test(withoutQuotations(message))) return "the error has more than one sentence";
  if (name === "CommanderError" || code === EXIT.failed) return undefined;
  if (!PLACE.test(message)) return "the error names no place";
  return REMEDY.test(message) ? undefined : "the error names no remedy";
}

function withoutQuotations(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\([^()]*\)/g, "()");
}
