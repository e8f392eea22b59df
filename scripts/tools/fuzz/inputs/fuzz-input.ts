/** What is changed: model files, configurations, arrays and images, a run's records, messages of the functions. */
export const KINDS = ["model", "configuration", "array", "record", "message"] as const;
export type Kind = (typeof KINDS)[number];

/** Stands for the folder of the input's files within their text and its command line. */
export const FOLDER = "@FOLDER@";

export interface CommandInput {
  readonly type: "command";
  /** Files by their paths in a folder of their own. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Behind `quantfleet`; relative paths start from the folder. */
  readonly argv: readonly string[];
}

export interface MessageInput {
  readonly type: "message";
  readonly to: "coordinator" | "evaluator" | "collector";
  /** Objects of the store by their keys. */
  readonly stored: ReadonlyMap<string, Uint8Array>;
  readonly bodies: readonly string[];
}

/** A changed input, and the names of what was changed. */
export interface FuzzInput {
  readonly number: number;
  readonly kind: Kind;
  readonly mutations: readonly string[];
  readonly run: CommandInput | MessageInput;
}

/** What came of an input that was carried out. */
export interface Outcome {
  /** The command's exit code, or 0 where messages were handled. */
  readonly code: number;
  /** What was thrown, reported as a failure of a trial, or logged by a function. */
  readonly problems: readonly Problem[];
}

export interface Problem {
  /** Of the class. */
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** `thrown`: the command ended with it; `reported`: it stands in a result or in a log. */
  readonly how: "thrown" | "reported";
}
