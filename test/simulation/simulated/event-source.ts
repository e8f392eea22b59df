import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import type { Queue, ReceivedMessage } from "../../../shared/queues/queue.js";
import { toEvent } from "../../functions/lambda-events.js";

const IDLE_MILLISECONDS = 600_000;

/**
 * Invokes a function with the messages of its queue, and acknowledges those that it has processed, until its
 * process ends.
 */
export async function pollQueue(
  queue: Queue,
  batch: number,
  invoke: (event: SQSEvent) => Promise<SQSBatchResponse>,
): Promise<never> {
  for (;;) {
    const messages = await queue.receive({ max: batch, waitMilliseconds: IDLE_MILLISECONDS });
    if (messages.length === 0) continue;
    for (const { receipt } of await invokeAndFindDone(messages, invoke)) await queue.acknowledge(receipt);
  }
}

async function invokeAndFindDone(
  messages: readonly ReceivedMessage[],
  invoke: (event: SQSEvent) => Promise<SQSBatchResponse>,
): Promise<readonly ReceivedMessage[]> {
  try {
    const { batchItemFailures } = await invoke(toEvent(messages));
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    return messages.filter(({ id }) => !failed.has(id));
  } catch {
    // As after a failed invocation, the batch is redelivered when its visibility timeout ends.
    return [];
  }
}
