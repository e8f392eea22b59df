import type { SQSRecord } from "aws-lambda";
import type { Queue } from "../shared/queues/queue.js";

const FIRST_PAUSE_MILLISECONDS = 5_000;
/** By then whoever looks after the fleet should have heard of it; the queue gives up after ten deliveries. */
const LONGEST_PAUSE_MILLISECONDS = 360_000;

/**
 * Has a message that could not be dealt with come again after seconds, and later each time. Left to itself it comes when
 * its visibility ends, which is six times the function's timeout, and in a first-in-first-out queue everything else of
 * its run waits behind it.
 */
export async function comeAgainSoon(queue: Queue, { receiptHandle, attributes }: SQSRecord): Promise<void> {
  const earlier = Math.max(0, Number(attributes.ApproximateReceiveCount) - 1);
  const pause = Math.min(FIRST_PAUSE_MILLISECONDS * 2 ** earlier, LONGEST_PAUSE_MILLISECONDS);
  try {
    await queue.changeVisibility(receiptHandle, pause);
  } catch {
    // It comes again in any case, only later.
  }
}
