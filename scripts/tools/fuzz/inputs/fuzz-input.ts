/**
 * What is mutated: model files, configurations, arrays and images, a run's records, or messages of the
 * functions.
 */
export const KINDS = ["model", "configuration", "array", "record", "message"] as const;
export type Kind = (typeof KINDS)[number];

/** Placeholder for the input's folder in the text of its files and in its command line. */
export const FOLDER = "@FOLDER@";

export interface CommandInput {
  readonly type: "command";
  /** The input's files by their paths in the input's folder. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Arguments after `quantfleet`; relative paths are relative to the folder. */
  readonly argv: readonly string[];
}

export interface MessageInput {
  readonly type: "message";
  readonly to: "coordinator" | "evaluator" | "collector";
  /** Objects in the functions' store by their keys. */
  readonly stored: ReadonlyMap<string, Uint8Array>;
  readonly bodies: readonly string[];
}

/** A fuzz input: mutated files or messages, with the names of the mutations. */
export interface FuzzInput {
  readonly number: number;
  readonly kind: Kind;
  readonly mutations: readonly string[];
  readonly run: CommandInput | MessageInput;
}

/** What an input led to: an exit code, and the errors that occurred. */
export interface Outcome {
  /** The command's exit code, or 0 where messages were handled. */
  readonly code: number;
  /** Errors that were thrown, reported as failures of trials, or logged by a function. */
  readonly problems: readonly Problem[];
}

export interface Problem {
  /** Name of the error's class. */
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** `thrown`: the command ended with it; `reported`: it is in a result or log. */
  readonly how: "thrown" | "reported";
}
