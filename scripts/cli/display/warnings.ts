import { type RunWarning, warningText } from "../../../shared/validation/warnings.js";

/** Prints warnings on stderr, one per line. */
export function reportWarnings(warnings: readonly RunWarning[]): void {
  for (const warning of warnings) process.stderr.write(`${warningText(warning)}\n`);
}

/** The warnings that are not among those already reported. */
export function newWarnings(warnings: readonly RunWarning[], reported: readonly RunWarning[]): RunWarning[] {
  const known = new Set(reported.map(({ message }) => message));
  return warnings.filter(({ message }) => !known.has(message));
}
