import { QuantfleetError, RunError } from "../basics/errors.js";

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: make room on it, or use a folder on another disk",
  EDQUOT: "the user's share of the disk is used up: make room on it, or use a folder on another disk",
  EFBIG: "files may not be so large there: raise the limit, or use a folder on another disk",
  EROFS: "the disk is read-only: use a folder on another disk",
  EACCES: "permission is missing: grant it, or use another folder",
  EPERM: "permission is missing: grant it, or use another folder",
  EMFILE: "too many files are open: raise the limit, such as by `ulimit -n`",
  ENFILE: "too many files are open: end other programs, or raise the limit",
};

/**
 * Runs an action that writes files; an error of the operating system becomes a RunError with the path and a
 * remedy.
 */
export async function writing<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw isSystemError(error) ? writeError(path, error) : error;
  }
}

/** The error for a file or folder that could not be written. */
export function writeError(path: string, cause: NodeJS.ErrnoException): RunError {
  const { code = "unknown" } = cause;
  const remedy = REMEDIES[code] ?? "check the folder and its disk, or use another folder";
  return new RunError(`${path} cannot be written (${code}); ${remedy}.`, { cause });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || error instanceof QuantfleetError) return false;
  return "code" in error && "syscall" in error;
}
