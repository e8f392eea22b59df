import { hostname } from "node:os";

/**
 * Identifies a worker's machine: its host name, or on Lambda, where host names are meaningless, the log
 * stream of the execution environment.
 */
export function workerHost(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return environment.AWS_LAMBDA_LOG_STREAM_NAME ?? hostname();
}
