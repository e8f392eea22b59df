import { setTimeout as sleep } from "node:timers/promises";
import type { ReadOptions } from "../../scripts/fleet/following/open-run.js";
import { status } from "../../scripts/fleet/following/runs.js";
import type { SqsQueue } from "../../shared/queues/sqs-queue.js";
import type { EmulatedFleet } from "./emulated-fleet.js";

/** Interval between polls of a run. */
export const POLL_MILLISECONDS = 250;

type Stored = Pick<EmulatedFleet, "store">;

/**
 * Waits until a run has ended.
 *
 * @param signal ends the wait
 */
export async function runEnded(
  fleet: Stored,
  runId: string,
  options: ReadOptions = {},
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted) {
    const phase = await status(fleet, runId, options).then(
      (progress) => progress.phase,
      () => "unknown",
    );
    if (phase === "done" || phase === "failed") return;
    await sleep(POLL_MILLISECONDS);
  }
}

/** The bodies of `count` messages from a dead-letter queue, sorted. */
export async function receiveDeadLetters(queue: SqsQueue, count: number): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < count) {
    for (const { body, receipt } of await queue.receive({ max: 10, waitMilliseconds: 1_000 })) {
      bodies.push(body);
      await queue.acknowledge(receipt);
    }
  }
  return bodies.sort();
}
