import { UsageError } from "../../../shared/basics/errors.js";
import { DEFAULT_MAX_MESSAGE_BYTES } from "../../../shared/queues/queue.js";
import {
  MESSAGE_VERSION,
  type RunRequested,
  runRequestedSchema,
} from "../../../shared/run/protocol/messages.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";

/**
 * The message that requests a run from a fleet.
 * @throws {UsageError} when it exceeds the size limit of a message, or the fleet would refuse it
 */
export function requestMessage(request: RunRequest): RunRequested {
  const { runId, requestedAt, space } = request;
  const message: RunRequested = {
    version: MESSAGE_VERSION,
    type: "RunRequested",
    runId,
    at: requestedAt,
    request,
  };
  const { error } = runRequestedSchema.safeParse(message);
  if (error !== undefined) {
    const [issue] = error.issues;
    throw new UsageError(
      `The fleet would refuse the request: ${issue?.path.join(".")} is ${JSON.stringify(at(message, issue?.path))} (${issue?.message}); give another value.`,
    );
  }
  const bytes = Buffer.byteLength(JSON.stringify(message));
  if (bytes <= DEFAULT_MAX_MESSAGE_BYTES) return message;
  throw new UsageError(
    `The search space has ${space.length} parameters, and its request ${bytes} bytes of the ${DEFAULT_MAX_MESSAGE_BYTES} that a queue takes; search less at once by a narrower tuning_scope.`,
  );
}

function at(value: unknown, path: readonly PropertyKey[] = []): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
}
