import { type RunWarning, warningText } from "../../../shared/validation/warnings.js";

/** Tells warnings on stderr, a line each. */
export function reportWarnings(warnings: readonly RunWarning[]): void {
  for (const warning of warnings) process.stderr.write(`${warningText(warning)}\n`);
}

/** Those that have not been told of. */
export function newWarnings(warnings: readonly RunWarning[], told: readonly RunWarning[]): RunWarning[] {
  const known = new Set(told.map(({ message }) => message));
  return warnings.filter(({ message }) => !known.has(message));
}
