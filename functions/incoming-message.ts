import type { SQSRecord } from "aws-lambda";
import type * as z from "zod";
import { DEFAULT_MAX_MESSAGE_BYTES, type Queue } from "../shared/queues/queue.js";
import type { Log } from "./log.js";

/** Thrown for a message that can never be processed; its text is the reason. */
export class UnreadableMessageError extends Error {
  override readonly name = "UnreadableMessageError";
}

/**
 * Returns the content of a queue message.
 *
 * @throws UnreadableMessageError if it is too large, not JSON, or does not match the schema, which includes
 * the version
 */
export function readMessage<Schema extends z.ZodType>(schema: Schema, { body }: SQSRecord): z.infer<Schema> {
  const bytes = Buffer.byteLength(body);
  if (bytes > DEFAULT_MAX_MESSAGE_BYTES)
    throw new UnreadableMessageError(`it has ${bytes} bytes of at most ${DEFAULT_MAX_MESSAGE_BYTES}`);
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch (error) {
    throw new UnreadableMessageError("it is not JSON", { cause: error });
  }
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UnreadableMessageError(`${issue?.path.join(".") || "it"}: ${issue?.message}`);
}

/**
 * Moves a message that can never be read to the dead-letter queue, which has an alarm. Otherwise it would be
 * redelivered until its deliveries are used up, and in a FIFO queue block its run.
 */
export async function sendToDeadLetters(
  deadLetters: Queue,
  log: Log,
  record: SQSRecord,
  reason: string,
): Promise<void> {
  const { messageId, body, attributes } = record;
  log.error("message refused", { messageId, reason, group: attributes.MessageGroupId, bytes: body.length });
  const group = attributes.MessageGroupId;
  await deadLetters.send([{ body, ...(group === undefined ? {} : { group, deduplication: messageId }) }]);
}
