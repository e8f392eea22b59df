import type { SQSRecord } from "aws-lambda";
import type { Queue } from "../shared/queues/queue.js";

const FIRST_PAUSE_MILLISECONDS = 5_000;
/**
 * Maximum pause before a redelivery: long enough for an operator to react to alarms before the queue's last
 * delivery.
 */
const LONGEST_PAUSE_MILLISECONDS = 360_000;

/**
 * Makes the queue redeliver a failed message after a pause of seconds that doubles with each delivery. By
 * default the message stays hidden for the queue's visibility timeout, six times the function's timeout, and
 * in a FIFO queue it blocks its run for that time.
 */
export async function redeliverWithBackoff(
  queue: Queue,
  { receiptHandle, attributes }: SQSRecord,
): Promise<void> {
  const earlier = Math.max(0, Number(attributes.ApproximateReceiveCount) - 1);
  const pause = Math.min(FIRST_PAUSE_MILLISECONDS * 2 ** earlier, LONGEST_PAUSE_MILLISECONDS);
  try {
    await queue.changeVisibility(receiptHandle, pause);
  } catch {
    // If this call fails, the message is redelivered anyway, only later.
  }
}
