import { UsageError } from "../../shared/errors.js";
import { DEFAULT_MAX_MESSAGE_BYTES } from "../../shared/queues/queue.js";
import { MESSAGE_VERSION, type RunRequested } from "../../shared/run/messages.js";
import type { RunRequest } from "../../shared/run/request.js";

/**
 * The message that asks a fleet for a run.
 * @throws {UsageError} when it is larger than a message may be
 */
export function requestMessage(request: RunRequest): RunRequested {
  const { runId, requestedAt: at, space } = request;
  const message: RunRequested = { version: MESSAGE_VERSION, type: "RunRequested", runId, at, request };
  const bytes = Buffer.byteLength(JSON.stringify(message));
  if (bytes <= DEFAULT_MAX_MESSAGE_BYTES) return message;
  throw new UsageError(
    `The search space has ${space.length} parameters, and its request ${bytes} bytes of the ${DEFAULT_MAX_MESSAGE_BYTES} that a queue takes; search less at once by a narrower tuning_scope.`,
  );
}
