import { hostname } from "node:os";

/** Where a worker is: on Lambda, whose machines' names lead nowhere, the log stream of its environment. */
export function workerHost(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return environment.AWS_LAMBDA_LOG_STREAM_NAME ?? hostname();
}
