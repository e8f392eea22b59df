import type { SQSRecord } from "aws-lambda";
import type * as z from "zod";
import { DEFAULT_MAX_MESSAGE_BYTES, type Queue } from "../shared/queues/queue.js";
import type { Log } from "./log.js";

/** Why a message is none for this function. */
export class UnreadableMessageError extends Error {
  override readonly name = "UnreadableMessageError";
}

/**
 * A message's content.
 * @throws UnreadableMessageError when it is too large, no JSON, or not of the schema, which includes the version
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
 * Moves a message that nobody will ever be able to read to the dead-letter queue, where its alarm is. Left to the
 * queue it would come again until its deliveries are used up, and in a first-in-first-out queue hold up the run.
 */
export async function buryMessage(
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
