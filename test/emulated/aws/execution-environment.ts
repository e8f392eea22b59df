import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import type { Context, SQSBatchResponse } from "aws-lambda";

/**
 * An execution environment of a function: a process that loads the bundle and receives events one after
 * another.
 */

/** Sent when the bundle is loaded: elapsed time and processor time of its import. */
export interface Ready {
  readonly milliseconds: number;
  readonly processorMilliseconds: number;
}

export interface Invocation {
  readonly event: unknown;
  readonly timeoutMilliseconds: number;
  /** The trace header that the function's own calls pass on. */
  readonly trace: string;
}

export type Answer = { readonly response: SQSBatchResponse } | { readonly error: string };

type Handler = (
  event: unknown,
  context: Pick<Context, "getRemainingTimeInMillis" | "awsRequestId">,
) => Promise<SQSBatchResponse>;

const [, , module, name = "handler"] = process.argv;
if (module !== undefined && process.send !== undefined) {
  const [startedAt, startedWith] = [performance.now(), process.cpuUsage()];
  const exported = (await import(pathToFileURL(module).href)) as Readonly<Record<string, Handler>>;
  const { user, system } = process.cpuUsage(startedWith);
  const ready: Ready = {
    milliseconds: performance.now() - startedAt,
    processorMilliseconds: (user + system) / 1_000,
  };
  const handler = exported[name];
  if (handler === undefined) throw new Error(`${module} exports no ${name}.`);
  process.on("message", async ({ event, timeoutMilliseconds, trace }: Invocation) => {
    process.env._X_AMZN_TRACE_ID = trace;
    const until = Date.now() + timeoutMilliseconds;
    const context = { awsRequestId: randomUUID(), getRemainingTimeInMillis: () => until - Date.now() };
    const answer: Answer = await handler(event, context).then(
      (response) => ({ response }),
      (error: unknown) => ({ error: String(error) }),
    );
    process.send?.(answer);
  });
  process.send(ready);
}
