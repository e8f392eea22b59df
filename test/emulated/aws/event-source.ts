import * as z from "zod";
import { toEvent } from "../../functions/lambda-events.js";
import type { PolledQueue } from "./fauxqs-poller.js";
import type { LambdaFunction } from "./lambda-function.js";

/** Properties of an event source mapping in the template (AWS::Lambda::EventSourceMapping). */
const mappingSchema = z.looseObject({
  EventSourceArn: z.string(),
  FunctionName: z.string(),
  BatchSize: z.int().min(1).max(10),
  MaximumBatchingWindowInSeconds: z.int().min(0).default(0),
  ScalingConfig: z.object({ MaximumConcurrency: z.int().min(2).max(1_000) }).optional(),
  FunctionResponseTypes: z.array(z.literal("ReportBatchItemFailures")).default([]),
});
export type Mapping = z.infer<typeof mappingSchema>;

export function parseMapping(properties: unknown): Mapping {
  return mappingSchema.parse(properties);
}

/** Pollers without a configured maximum. Lambda starts with five; one is enough for one run at a time. */
const UNBOUND_POLLERS = 1;
const WAIT_MILLISECONDS = 1_000;

/**
 * An emulator of Lambda's event source: polls a queue, invokes a function with batches, and acknowledges the
 * messages that the function does not report as failed. After a failed invocation the whole batch is
 * redelivered by the queue.
 */
export class EventSource {
  readonly #stop = new AbortController();
  readonly #pollers: Promise<void>[];

  constructor(
    private readonly mapping: Mapping,
    private readonly queue: PolledQueue,
    private readonly target: LambdaFunction,
  ) {
    const count = mapping.ScalingConfig?.MaximumConcurrency ?? UNBOUND_POLLERS;
    this.#pollers = Array.from({ length: count }, () => this.#poll());
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.target.close();
    await Promise.all(this.#pollers);
  }

  async #poll(): Promise<void> {
    const { BatchSize, MaximumBatchingWindowInSeconds, FunctionResponseTypes } = this.mapping;
    const { signal } = this.#stop;
    const waitMilliseconds = WAIT_MILLISECONDS + MaximumBatchingWindowInSeconds * 1_000;
    const isPartial = FunctionResponseTypes.includes("ReportBatchItemFailures");
    while (!signal.aborted) {
      const messages = await this.queue.receive({ max: BatchSize, waitMilliseconds, signal });
      if (messages.length === 0) continue;
      const answer = await this.target.invoke(toEvent(messages));
      if (answer === undefined || "error" in answer) continue;
      const failures = isPartial ? answer.response.batchItemFailures : [];
      const failed = new Set(failures.map(({ itemIdentifier }) => itemIdentifier));
      for (const { id, receipt } of messages) if (!failed.has(id)) await this.queue.acknowledge(receipt);
    }
  }
}
