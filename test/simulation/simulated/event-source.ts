import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import type { Queue, ReceivedMessage } from "../../../shared/queues/queue.js";
import { toEvent } from "../../functions/lambda-events.js";

const IDLE_MILLISECONDS = 600_000;

/** Hands a function what comes on its queue, and acknowledges what it is done with, until its process ends. */
export async function pollQueue(
  queue: Queue,
  batch: number,
  invoke: (event: SQSEvent) => Promise<SQSBatchResponse>,
): Promise<never> {
  for (;;) {
    const messages = await queue.receive({ max: batch, waitMilliseconds: IDLE_MILLISECONDS });
    if (messages.length === 0) continue;
    for (const { receipt } of await findDone(messages, invoke)) await queue.acknowledge(receipt);
  }
}

async function findDone(
  messages: readonly ReceivedMessage[],
  invoke: (event: SQSEvent) => Promise<SQSBatchResponse>,
): Promise<readonly ReceivedMessage[]> {
  try {
    const { batchItemFailures } = await invoke(toEvent(messages));
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    return messages.filter(({ id }) => !failed.has(id));
  } catch {
    // As after an invocation that failed: the batch comes back when its visibility ends.
    return [];
  }
}
