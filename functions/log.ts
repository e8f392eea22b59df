/**
 * A structured log, such as the logger of Powertools (AWS's library for Lambda), which writes an `error`
 * among the details with its stack trace.
 */
export interface Log {
  info(message: string, details: Readonly<Record<string, unknown>>): void;
  warn(message: string, details: Readonly<Record<string, unknown>>): void;
  error(message: string, details: Readonly<Record<string, unknown>>): void;
}

/** Returns the name and message of an error as one text. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
